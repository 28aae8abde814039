// What kustomize makes of deploy/kubernetes: without a cluster, and without an engine.
import { globSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { root } from '../lib/copy.ts';
import { read } from './compose.ts';
import { kubectlFault } from '../lib/kubectl.ts';
import { build, find, nameOf, type Objekt, ofKind, typeErrors } from './objects.ts';
import { isAllowed, podOf, podsOf, references, restrictedFaults } from './pods.ts';

const fault = kubectlFault();
const overlays = ['lab', 'production', 'restore', 'migrate', 'production/migrate'];
const withPods = ['lab', 'production', 'migrate', 'production/migrate'];

describe.skipIf(fault)('deploy/kubernetes', () => {
  it.each(overlays)('%s has only objects that fit the types of their kinds', (overlay) => {
    expect(typeErrors(build(overlay))).toEqual([]);
  });

  it.each(['lab', 'production'])('%s refuses pods that are not restricted', (overlay) => {
    const { labels } = find(build(overlay), 'Namespace', 'taskapp').metadata ?? {};
    expect(labels).toMatchObject({ 'pod-security.kubernetes.io/enforce': 'restricted' });
  });

  it.each(withPods)('%s has only pods that Pod Security calls restricted', (overlay) => {
    const pods = podsOf(build(overlay));
    expect(pods).not.toEqual([]);
    expect(pods.map((pod) => [pod.name, ...restrictedFaults(pod)])).toEqual(
      pods.map(({ name }) => [name]),
    );
  });

  it.each(overlays)('%s refers to no Secret or ConfigMap that nothing creates', (overlay) => {
    expect(missing(build(overlay))).toEqual([]);
  });

  it('the Job of the lab uses the Secret of the lab', () => {
    const used = references(build('migrate')).filter((name) => name.startsWith('Secret'));
    expect(build('lab').map(nameOf)).toEqual(expect.arrayContaining(used));
  });

  it.each(withPods)('%s mounts each of its volumes, and no other', (overlay) => {
    for (const { name, spec, container } of podsOf(build(overlay))) {
      const claims = name === 'db' ? ['pgdata'] : [];
      const volumes = [...(spec.volumes ?? []).map((volume) => volume.name), ...claims];
      const mounted = (container.volumeMounts ?? []).map((mount) => mount.name);
      expect(mounted.toSorted()).toEqual(volumes.toSorted());
    }
  });

  it.each(['lab', 'production'])('%s has Services and probes that name real ports', (overlay) => {
    const objects = build(overlay);
    const pods = podsOf(objects);
    for (const { spec } of ofKind(objects, 'Service')) {
      const pod = pods.find(({ labels }) => labels.tier === spec?.selector?.tier);
      const targets = spec?.ports?.map(({ targetPort }) => targetPort) ?? [];
      const names = pod?.container.ports?.map(({ name }) => name) ?? [];
      expect(targets).not.toEqual([]);
      expect(names).toEqual(expect.arrayContaining(targets));
    }
    for (const { container } of pods) {
      const { startupProbe, livenessProbe, readinessProbe } = container;
      const probes = [startupProbe, livenessProbe, readinessProbe];
      const asked = probes.flatMap((probe) => probe?.httpGet?.port ?? []);
      expect(container.ports?.map(({ name }) => name)).toEqual(expect.arrayContaining(asked));
    }
  });

  it('production: everything that an object selects or names exists', () => {
    const objects = build('production');
    const pods = podsOf(objects);
    const services = ofKind(objects, 'Service');
    for (const { spec } of ofKind(objects, 'PodDisruptionBudget'))
      expect(pods.some(({ labels }) => labels.tier === spec?.selector?.matchLabels?.tier)).toBe(
        true,
      );
    for (const { spec } of ofKind(objects, 'HorizontalPodAutoscaler'))
      find(objects, 'Deployment', spec?.scaleTargetRef.name ?? '');
    for (const { spec } of ofKind(objects, 'ServiceMonitor')) {
      const tier = spec.selector.matchLabels?.tier;
      const service = services.find(({ metadata }) => metadata?.labels?.tier === tier);
      const names = service?.spec?.ports?.map(({ name }) => name);
      expect(names).toEqual(expect.arrayContaining(spec.endpoints?.map(({ port }) => port) ?? []));
    }
    const { rules } = find(objects, 'Ingress', 'web').spec ?? {};
    const backend = rules?.[0]?.http?.paths[0]?.backend.service;
    const { spec } = find(objects, 'Service', backend?.name ?? '');
    expect(spec?.ports?.map(({ name }) => name)).toContain(backend?.port?.name);
    for (const cluster of ofKind(objects, 'ScheduledBackup'))
      find(objects, 'Cluster', cluster.spec.cluster.name);
    for (const { parameters } of find(objects, 'Cluster', 'db').spec.plugins ?? [])
      find(objects, 'ObjectStore', parameters?.barmanObjectName ?? '');
  });

  it('production spreads replicas over the nodes that they can run on', () => {
    for (const { name, spec } of podsOf(build('production'))) {
      const [node] = spec.topologySpreadConstraints ?? [];
      expect(node).toMatchObject({
        topologyKey: 'kubernetes.io/hostname',
        maxSkew: 1,
        whenUnsatisfiable: 'DoNotSchedule',
        nodeTaintsPolicy: 'Honor',
        labelSelector: { matchLabels: { tier: name } },
      });
    }
  });

  it('makes its ConfigMaps from the files of nginx and db, and leaves none out', () => {
    const objects = [...build('lab'), ...build('migrate')];
    const dataOf = (name: string) => find(objects, 'ConfigMap', name).data;
    const files = (directory: string, pattern: string) =>
      Object.fromEntries(
        globSync(pattern, { cwd: directory }).map((name) => [name, read(`${directory}/${name}`)]),
      );
    expect(dataOf('web-templates')).toEqual(files('nginx', '*.template'));
    expect(dataOf('db-init')).toEqual(files('db/init', '*'));
    expect(dataOf('db-health')).toEqual({ 'health.sh': read('db/health.sh') });
    expect(dataOf('db-migrations')).toEqual(files('db/migrations', '*'));
    const used = read('db/migrate.sh').matchAll(/(?<=\/db\/)[\w.-]+\.\w+/g);
    const names = ['migrate.sh', ...[...used].map(([name]) => name)];
    expect(names).toContain('repair.sql');
    expect(dataOf('db-migrate')).toEqual(
      Object.fromEntries(names.map((name) => [name, read(`db/${name}`)])),
    );
  });

  it('holds no secrets except those that compose.yml publishes for the lab', () => {
    for (const overlay of overlays.filter((name) => name !== 'lab'))
      expect(ofKind(build(overlay), 'Secret')).toEqual([]);
    const lab = ofKind(build('lab'), 'Secret').flatMap(({ data = {} }) =>
      Object.values(data ?? {}),
    );
    const values = lab.map((value) => Buffer.from(value, 'base64').toString());
    for (const value of values) expect(read('compose.yml')).toMatch(new RegExp(`-${value}\\}`));
  });
});

// Also without kubectl, because everybody writes migrations.
it('db/kustomization.yml lists all migrations', () => {
  const { configMapGenerator } = parse(read('db/kustomization.yml'), { merge: true }) as {
    configMapGenerator: { name: string; files: string[] }[];
  };
  const listed = configMapGenerator.find(({ name }) => name === 'db-migrations')?.files;
  expect(listed).toEqual(globSync('migrations/*', { cwd: join(root, 'db') }).toSorted());
});

/** The Secrets and ConfigMaps that neither kustomize nor a command of the document makes. */
function missing(objects: Objekt[]): string[] {
  const byHand = [
    ...read('docs/kubernetes.md').matchAll(/create (secret generic|configmap) ([\w-]+)/g),
  ].map(([, kind = '', name]) => `${kind.startsWith('secret') ? 'Secret' : 'ConfigMap'} ${name}`);
  const byOperators = ['Secret db-ca'];
  const made = new Set([...objects.map(nameOf), ...byHand, ...byOperators]);
  return references(objects).filter((name) => !made.has(name));
}

// Each change must be found by one of the checks above.
const lab = (change: (objects: Objekt[]) => void) => changed(['lab'], change);
const production = (change: (objects: Objekt[]) => void) =>
  changed(['production', 'production/migrate'], change);
function changed(built: string[], change: (objects: Objekt[]) => void): Objekt[] {
  const objects = built.flatMap((overlay) => build(overlay));
  change(objects);
  return objects;
}

/** Sets a value at a path, whatever its type allows. */
function set(object: object, path: string, value: unknown): void {
  const keys = path.split('.');
  const last = keys.pop() ?? '';
  const place = keys.reduce((inside, key) => (inside as Record<string, object>)[key] ?? {}, object);
  Object.assign(place, { [last]: value });
}

describe.skipIf(fault)('the checks', () => {
  it.each([
    ['Deployment', 'api', 'spec.template.spec.containers.0.imagePullPolcy', 'Always'],
    ['Deployment', 'api', 'spec.template.spec.containers.0.livenessProbe.httpget', {}],
    ['Deployment', 'web', 'spec.replicas', 'two'],
    ['Deployment', 'web', 'spec.template.spec.containers.0.name', undefined],
    ['Job', 'migrate', 'spec.backofLimit', 0],
    ['Job', 'migrate', 'spec.template.spec.restartPolicy', 'Sometimes'],
    ['Service', 'web', 'spec.ports.0.protocol', 'HTTP'],
    ['NetworkPolicy', 'dns', 'spec.egres', []],
    ['Cluster', 'db', 'spec.postgresql.synchronous.dataDurabilty', 'required'],
    ['Cluster', 'db', 'spec.postgresql.synchronous.method', 'quorum'],
    ['Cluster', 'db', 'spec.plugins.0.isWalArchiver', true],
    ['ScheduledBackup', 'db', 'spec.methode', 'plugin'],
    ['ObjectStore', 'backups', 'spec.configuration.endpointUrl', 'https://s3.example.org'],
    ['PrometheusRule', 'taskapp', 'spec.groups.0.rules.0.exp', 'up'],
    ['HorizontalPodAutoscaler', 'api', 'spec.maxReplica', 3],
    ['Ingress', 'web', 'spec.rules.0.http.paths.0.pathType', 'prefix'],
  ] as const)('refuse in %s %s the field %s: %j', (kind, name, path, value) => {
    const objects = production((all) => set(find(all, kind, name), path, value));
    const errors = typeErrors(objects);
    expect(errors.join()).toContain(` ${kind} ${name}`);
    expect(new Set(errors.map((line) => /^objects\/(.+)\.ts/.exec(line)?.[1])).size).toBe(1);
  });

  it.each([
    ['securityContext.runAsNonRoot', false, 'runs as root'],
    ['securityContext.runAsUser', 0, 'runs as root'],
    ['securityContext.seccompProfile', undefined, 'has no seccomp profile'],
    ['containers.0.securityContext.allowPrivilegeEscalation', true, 'may gain privileges'],
    ['containers.0.securityContext.capabilities', {}, 'keeps capabilities'],
    ['hostNetwork', true, "is in the host's namespaces"],
    ['volumes.0', { name: 'templates', hostPath: { path: '/' } }, 'mounts other volumes'],
  ])('refuse in a pod %s: %j', (path, value, expected) => {
    const objects = lab((all) => set(podOf(all, 'web').spec, path, value));
    expect(restrictedFaults(podOf(objects, 'web'))).toEqual([expected]);
  });

  it('see a Secret that nothing creates', () => {
    const name = 'volumes.0.secret.secretName';
    const objects = production((all) => set(podOf(all, 'api').spec, name, 'db-apy'));
    expect(missing(objects)).toEqual(['Secret db-apy']);
  });

  it('see a policy that lets web reach the database', () => {
    const [web, db] = [{ labels: { tier: 'web' } }, { labels: { tier: 'db' } }];
    expect(isAllowed(build('lab'), web, db, 5432)).toBe(false);
    const objects = lab((all) => {
      const everywhere = { podSelector: {}, policyTypes: ['Ingress', 'Egress'] };
      const spec = { ...everywhere, ingress: [{}], egress: [{}] };
      set(find(all, 'NetworkPolicy', 'dns'), 'spec', spec);
    });
    expect(isAllowed(objects, web, db, 5432)).toBe(true);
  });
});
