// Pods, what they refer to, and whom the network policies let them reach.
import type { IPodSpec } from 'kubernetes-models/v1/PodSpec';
import type { IContainer } from 'kubernetes-models/v1/Container';
import { nameOf, type Objekt, ofKind } from './objects.ts';

export interface Pod {
  name: string;
  labels: Record<string, string>;
  spec: IPodSpec;
  /** The only one. */
  container: IContainer;
}

/** The pods that Deployments, StatefulSets and Jobs make. */
export function podsOf(objects: Objekt[]): Pod[] {
  const makers = [
    ...ofKind(objects, 'Deployment'),
    ...ofKind(objects, 'StatefulSet'),
    ...ofKind(objects, 'Job'),
  ];
  return makers.map((maker) => {
    const { spec, metadata } = maker.spec?.template ?? {};
    const [container, ...others] = spec?.containers ?? [];
    if (!spec || !container || others.length > 0) throw new Error(`${nameOf(maker)}: containers`);
    return { name: maker.metadata?.name ?? '', labels: metadata?.labels ?? {}, spec, container };
  });
}

export function podOf(objects: Objekt[], name: string): Pod {
  const pod = podsOf(objects).find((one) => one.name === name);
  if (!pod) throw new Error(`there is no pod ${name}`);
  return pod;
}

/** The Secrets and ConfigMaps that any object refers to, as `Secret db-api`. */
export function references(objects: Objekt[]): string[] {
  const found = new Set<string>();
  const add = (kind: string, name: unknown) => {
    if (typeof name === 'string') found.add(`${kind} ${name}`);
  };
  const visit = (value: unknown) => {
    if (typeof value !== 'object' || value === null) return;
    for (const [key, inside] of Object.entries(value) as [string, Record<string, unknown>][]) {
      if (key === 'secret') add('Secret', inside.secretName);
      if (/^(secret|secretKeyRef|secretRef|passwordSecret)$/.test(key)) add('Secret', inside.name);
      if (/^(accessKeyId|secretAccessKey)$/.test(key)) add('Secret', inside.name);
      if (/^configMap(Ref|KeyRef)?$/.test(key)) add('ConfigMap', inside.name);
      if (key === 'configMapRefs' && Array.isArray(inside))
        for (const one of inside as { name: string }[]) add('ConfigMap', one.name);
      visit(inside);
    }
  };
  objects.forEach(visit);
  return [...found].toSorted((a, b) => a.localeCompare(b));
}

/** What the profile `restricted` of Pod Security refuses in a pod. */
export function restrictedFaults({ spec, container }: Pod): string[] {
  const { securityContext: pod = {} } = spec;
  const { securityContext: own = {} } = container;
  const safeSysctls = ['net.ipv4.ip_unprivileged_port_start'];
  const safeVolumes = ['configMap', 'emptyDir', 'secret', 'projected', 'persistentVolumeClaim'];
  const typesOf = (volume: object) => Object.keys(volume).filter((key) => key !== 'name');
  const volumes = (spec.volumes ?? []).flatMap(typesOf);
  const unsafe = {
    'runs as root': (own.runAsNonRoot ?? pod.runAsNonRoot) !== true || pod.runAsUser === 0,
    'may gain privileges': own.allowPrivilegeEscalation !== false || own.privileged === true,
    'keeps capabilities': !own.capabilities?.drop?.includes('ALL') || !!own.capabilities.add,
    'has no seccomp profile': pod.seccompProfile?.type !== 'RuntimeDefault',
    "is in the host's namespaces": !!(spec.hostNetwork || spec.hostPID || spec.hostIPC),
    'has a port of the host': !!container.ports?.some(({ hostPort }) => hostPort),
    'sets other sysctls': !!pod.sysctls?.some(({ name }) => !safeSysctls.includes(name)),
    'mounts other volumes': volumes.some((type) => !safeVolumes.includes(type)),
  };
  return Object.entries(unsafe).flatMap(([fault, isSo]) => (isSo ? [fault] : []));
}

type Policy = Objekt<'NetworkPolicy'>;
type Rule = NonNullable<NonNullable<Policy['spec']>['egress']>[number];
type Peer = NonNullable<Rule['to']>[number];
type Labels = Record<string, string>;

/** A pod or an address outside the cluster, for `isAllowed`. */
export type Place = { labels: Labels; namespace?: string } | { outside: true };

/** Whether the policies let a connection through: both sides must allow it. */
export function isAllowed(objects: Objekt[], from: Place, to: Place, port: number): boolean {
  const policies = ofKind(objects, 'NetworkPolicy');
  const side = (place: Place, other: Place, direction: 'Egress' | 'Ingress') => {
    // Our policies say nothing about what is elsewhere.
    if ('outside' in place || place.namespace !== undefined) return true;
    const own = policies.filter(
      ({ spec }) => spec?.policyTypes?.includes(direction) && selects(spec.podSelector, place),
    );
    if (own.length === 0) return true;
    return own.some(({ spec }) =>
      direction === 'Egress'
        ? spec?.egress?.some((rule) => matches(rule.ports, rule.to, other, port))
        : spec?.ingress?.some((rule) => matches(rule.ports, rule.from, other, port)),
    );
  };
  return side(from, to, 'Egress') && side(to, from, 'Ingress');
}

function matches(
  ports: Rule['ports'],
  peers: Peer[] | null | undefined,
  other: Place,
  port: number,
): boolean {
  const isPort = !ports || ports.some((one) => one.port === port);
  return isPort && (!peers || peers.some((peer) => isPeer(peer, other)));
}

function isPeer({ ipBlock, namespaceSelector, podSelector }: Peer, other: Place): boolean {
  if ('outside' in other) return ipBlock?.cidr === '0.0.0.0/0';
  if (ipBlock) return false;
  const namespace = { 'kubernetes.io/metadata.name': other.namespace ?? 'taskapp' };
  const isThere = namespaceSelector
    ? selects(namespaceSelector, { labels: namespace })
    : other.namespace === undefined;
  return isThere && (!podSelector || selects(podSelector, other));
}

type Selector = NonNullable<Policy['spec']>['podSelector'];

function selects(selector: Selector, { labels }: { labels: Labels }): boolean {
  const { matchLabels = {}, matchExpressions = [] } = selector ?? {};
  const others = (matchExpressions ?? []).filter(({ operator }) => operator !== 'Exists');
  if (others.length > 0) throw new Error('an operator that this test does not know');
  return (
    Object.entries(matchLabels ?? {}).every(([name, value]) => labels[name] === value) &&
    (matchExpressions ?? []).every(({ key }) => key in labels)
  );
}
