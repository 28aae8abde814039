// The model that runs: of what a submission asks for, the parts that it may have, within our limits.
import { type Asked, entriesOf, type Keys, type Mount, mountsOf, replicasOf } from './asked.ts';
import { limits } from './limits.ts';
import { kept, unsafeMounts } from './policy.ts';

/** Carried by everything that a submission makes the engine create. */
export const label = 'taskapp.verify.class';

export interface Names {
  /** The name of the project. */
  project: string;
  /** The image that is built for a service. */
  imageOf(service: string): string;
}

/** The names of a submission: an image that it names may be one that others use. */
export const namesOf = (project: string): Names => ({
  project,
  imageOf: (service) => `${project}/${service.toLowerCase()}:judged`,
});

/** Call this only for a model without refusals. */
export function fenced(model: Asked, names: Names): Asked & { name: string } {
  const readOnly = unsafeMounts(model);
  const services = entriesOf(model.services).map(([name, service]) => [
    name,
    fencedService(name, service, names, readOnly),
  ]);
  const labels = { [label]: names.project };
  return {
    name: names.project,
    services: Object.fromEntries(services) as Record<string, Keys>,
    networks: mapped(model.networks, ({ internal }) => ({ internal: internal === true, labels })),
    volumes: mapped(model.volumes, () => ({ labels })),
    secrets: mapped(model.secrets, withoutName),
    configs: mapped(model.configs, withoutName),
  };
}

function mapped(part: Asked['volumes'], change: (entry: Keys) => Keys): Record<string, Keys> {
  return Object.fromEntries(entriesOf(part).map(([name, entry]) => [name, change(entry)]));
}

/** A name of its own would be shared by all submissions that choose it. */
const withoutName = ({ name: _name, ...entry }: Keys): Keys => entry;

function fencedService(
  name: string,
  service: Keys,
  names: Names,
  readOnly: ReadonlySet<Mount>,
): Keys {
  const passed = Object.entries(service).filter(([key]) => kept.includes(key));
  const rules = ['cap_add', 'extra_hosts', 'ipc', 'network_mode', 'security_opt', 'sysctls'];
  const checked = Object.entries(service).filter(([key]) => rules.includes(key));
  return {
    ...Object.fromEntries([...passed, ...checked]),
    ...(service.build ? { image: names.imageOf(name) } : {}),
    ...(service.networks ? { networks: networksOf(service) } : {}),
    ports: portsOf(service),
    volumes: mountsOf(service).map((mount) => fencedMount(mount, readOnly)),
    deploy: deployOf(service),
    ...limitsOf({ ...service, labels: {} }, names.project),
  };
}

/** A container's own name is taken away, but others may call it by that name. */
function networksOf({ networks, container_name: name }: Keys): Record<string, Keys> {
  const own = typeof name === 'string' ? [name] : [];
  return mapped(networks as Asked['networks'], ({ aliases }) => ({
    aliases: [...((aliases as string[] | undefined) ?? []), ...own],
  }));
}

/** Each at a free port, for this machine alone. */
function portsOf({ ports }: Keys): Keys[] {
  const list = (ports ?? []) as { target: number; protocol?: string }[];
  return list.map(({ target, protocol = 'tcp' }) => ({
    mode: 'ingress',
    host_ip: '127.0.0.1',
    target,
    protocol,
  }));
}

function fencedMount(mount: Mount, readOnly: ReadonlySet<Mount>): Keys {
  const { type, source, target, read_only: isReadOnly = false } = mount;
  return {
    type,
    target,
    ...(source === undefined ? {} : { source }),
    read_only: isReadOnly || readOnly.has(mount),
  };
}

function deployOf(service: Keys): Keys {
  const { restart_policy: policy } = (service.deploy ?? {}) as Keys;
  return { replicas: replicasOf(service), ...(policy ? { restart_policy: policy } : {}) };
}

/** What every container of a submission has: its limits, and the label of its project. */
export function limitsOf(service: Keys, project: string): Keys {
  const { labels } = service as { labels?: Keys };
  const memory = Math.min(limits.memoryBytes, ownMemory(service));
  return {
    labels: { ...labels, [label]: project },
    mem_limit: String(memory),
    memswap_limit: String(memory),
    pids_limit: limits.processes,
    cpus: limits.cpus,
    ulimits: { core: 0, fsize: limits.fileBytes },
    logging: { driver: 'json-file', options: { 'max-size': limits.logSize, 'max-file': '2' } },
  };
}

/** The memory limit of the submission itself, in bytes as Compose resolves it. */
function ownMemory({ mem_limit: limit, deploy }: Keys): number {
  const { resources } = (deploy ?? {}) as { resources?: { limits?: { memory?: unknown } } };
  const own = Number(limit ?? resources?.limits?.memory);
  return own > 0 ? own : limits.memoryBytes;
}
