// What a submission may ask for. Whatever is not named here is refused: a new version of Compose may
// bring a key that opens the machine.
import { existsSync, realpathSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import {
  type Asked,
  dockerfileOf,
  entriesOf,
  filesOf,
  type Keys,
  type Mount,
  mountsOf,
  replicasOf,
  sourceOf,
} from './asked.ts';
import { durationMs } from '../duration.ts';
import { unescaped } from '../model.ts';
import { isInside } from './copy.ts';
import { syntaxFault } from './dockerfile.ts';
import { limits } from './limits.ts';

/** Keys of a service that are passed on as they are: they change only the container itself. */
export const kept = [
  'cap_drop',
  'command',
  'configs',
  'depends_on',
  'domainname',
  'entrypoint',
  'environment',
  'expose',
  'healthcheck',
  'hostname',
  'image',
  'init',
  'links',
  'read_only',
  'restart',
  'secrets',
  'stdin_open',
  'stop_grace_period',
  'stop_signal',
  'tmpfs',
  'tty',
  'user',
  'working_dir',
];

/** Keys that ours replace, or that have no effect here. */
const dropped = new Set([
  'annotations',
  'attach',
  'blkio_config',
  'container_name', // becomes an alias in its networks
  'cpu_count',
  'cpu_percent',
  'cpu_period',
  'cpu_quota',
  'cpu_shares',
  'cpus',
  'cpuset',
  'develop',
  'dns',
  'dns_opt',
  'dns_search',
  'env_file', // resolved
  'group_add',
  'label_file',
  'labels',
  'logging',
  'mac_address',
  'mem_limit',
  'mem_reservation',
  'mem_swappiness',
  'memswap_limit',
  'pids_limit',
  'platform',
  'ports', // on 127.0.0.1, at a free port
  'profiles',
  'pull_policy',
  'scale',
  'shm_size',
  'stop_timeout',
  'storage_opt',
  'ulimits',
]);

/** Those of Docker itself: a container has them anyway. */
const capabilities = new Set([
  'AUDIT_WRITE',
  'CHOWN',
  'DAC_OVERRIDE',
  'FOWNER',
  'FSETID',
  'KILL',
  'MKNOD',
  'NET_BIND_SERVICE',
  'NET_RAW',
  'SETFCAP',
  'SETGID',
  'SETPCAP',
  'SETUID',
  'SYS_CHROOT',
]);

/** Files of the machine that containers may read: they say what time it is. */
const clockFiles = ['/etc/localtime', '/etc/timezone'];

type Rule = (value: unknown, context: { directory: string; model: Asked }) => string[];

const onlyIf =
  (isAllowed: (value: unknown) => boolean): Rule =>
  (value) =>
    isAllowed(value) ? [] : [shown(value)];

const shown = (value: unknown): string =>
  typeof value === 'string' ? value : JSON.stringify(value);

const eachOf =
  (isAllowed: (value: string) => boolean): Rule =>
  (value) =>
    (value as unknown[]).map(String).filter((one) => !isAllowed(one));

/** What a key asks for that it may not have. */
const rules: Record<string, Rule> = {
  build: (value, { directory }) => buildFaults(value as Keys, directory),
  cap_add: eachOf((name) => capabilities.has(name.toUpperCase().replace(/^CAP_/, ''))),
  deploy: onlyIf((value) => Object.keys(value as Keys).every((key) => deployKeys.has(key))),
  extra_hosts: eachOf((entry) => !/host-gateway/.test(entry)),
  ipc: onlyIf((value) => value === 'private' || value === 'shareable'),
  network_mode: onlyIf((value) => /^(none|service:\S+)$/.test(String(value))),
  networks: onlyIf(() => true),
  privileged: onlyIf((value) => value === false),
  security_opt: eachOf((option) => /^no-new-privileges([:=]true)?$/.test(option)),
  sysctls: (value) => Object.keys(value as Keys).filter((name) => !name.startsWith('net.')),
  volumes: (value, context) => (value as Mount[]).flatMap((mount) => mountFaults(mount, context)),
};

const deployKeys = new Set([
  'endpoint_mode',
  'labels',
  'mode',
  'placement',
  'replicas',
  'resources',
  'restart_policy',
  'rollback_config',
  'update_config',
]);

/** What the model of a submission asks for and may not have: a sentence each. */
export function refusals(
  model: Asked,
  directory: string,
  mostContainers: number = limits.containers,
): string[] {
  return [
    ...entriesOf(model.services).flatMap(([name, service]) =>
      serviceFaults(service, { directory, model }).map((fault) => `service ${name}: ${fault}`),
    ),
    ...entriesOf(model.networks).flatMap(([name, network]) =>
      networkFaults(network).map((fault) => `network ${name}: ${fault}`),
    ),
    ...entriesOf(model.volumes).flatMap(([name, volume]) =>
      volumeFaults(volume).map((fault) => `volume ${name}: ${fault}`),
    ),
    ...fileFaults(model, directory),
    ...sizeFaults(model, mostContainers),
  ];
}

function serviceFaults(service: Keys, context: { directory: string; model: Asked }): string[] {
  const asked = Object.entries(service).filter(([, value]) => value !== null);
  const faults = asked.flatMap(([key, value]) => {
    if (kept.includes(key) || dropped.has(key)) return [];
    const rule = rules[key];
    const found = rule ? rule(value, context) : [shown(value)];
    return found.map((what) => `${key}: ${what}`);
  });
  return [...faults, ...healthFaults(service)];
}

/** Each run of a health check costs the engine, not the container. */
function healthFaults({ healthcheck }: Keys): string[] {
  const { interval, start_interval: first } = (healthcheck ?? {}) as Keys;
  const tooShort = [interval, first].filter((text) => durationMs(text) < 250);
  return tooShort.map((text) => `healthcheck: every ${shown(text)}`);
}

function buildFaults(build: Keys, directory: string): string[] {
  const {
    context = '',
    dockerfile = 'Dockerfile',
    dockerfile_inline: inline,
    args,
  } = build as {
    context?: string;
    dockerfile?: string;
    dockerfile_inline?: string;
    args?: Keys | null;
  };
  const faults = pathFaults('context', unescaped(context), directory);
  if (faults.length > 0) return faults;
  const path = dockerfileOf(context, dockerfile);
  if (inline === undefined) faults.push(...pathFaults('dockerfile', path, directory));
  const special = ['additional_contexts', 'entitlements', 'extra_hosts', 'network', 'privileged'];
  for (const key of [...special, 'secrets', 'ssh'])
    if (build[key]) faults.push(`${key}: ${shown(build[key])}`);
  for (const name of Object.keys(args ?? {}))
    if (/^BUILD(KIT|X)_/.test(name)) faults.push(`args: ${name}`);
  if (faults.length === 0) faults.push(...syntaxFault(path, inline));
  return faults;
}

function mountFaults(mount: Mount, { directory, model }: { directory: string; model: Asked }) {
  const { type, source, target } = mount;
  if (type === 'tmpfs') return [];
  if (type === 'volume') {
    const isDeclared = source === undefined || Object.hasOwn(model.volumes ?? {}, source);
    return isDeclared ? [] : [`${source} at ${target} is not declared`];
  }
  if (type !== 'bind') return [`a ${type} mount at ${target}`];
  if (mount.read_only && clockFiles.includes(sourceOf(mount))) return [];
  return straightPathFaults('the host path', sourceOf(mount), directory);
}

function pathFaults(what: string, path: string, directory: string): string[] {
  if (!path.startsWith('/')) return [`${what} ${path} is not in the folder`];
  return isInside(directory, existingPart(path)) ? [] : [`${what} ${path} is not in the folder`];
}

/**
 * For a path that the engine mounts: through a link, it would be another one once a container has
 * changed what the link leads through.
 */
function straightPathFaults(what: string, path: string, directory: string): string[] {
  const faults = pathFaults(what, path, directory);
  if (faults.length > 0 || existingPart(path) === resolve(path)) return faults;
  return [`${what} ${path} leads through a symbolic link`];
}

/** Where a path really is, or the part of it that exists. */
function existingPart(path: string): string {
  if (existsSync(path)) return realpathSync(path);
  const parent = existingPart(dirname(path));
  return join(parent, basename(path));
}

function networkFaults({ driver, driver_opts: options, external }: Keys): string[] {
  return [
    ...(external ? ['is external'] : []),
    ...(driver && driver !== 'bridge' ? [`driver: ${shown(driver)}`] : []),
    ...(isEmpty(options) ? [] : [`driver_opts: ${shown(options)}`]),
  ];
}

function volumeFaults({ driver, driver_opts: options, external }: Keys): string[] {
  return [
    ...(external ? ['is external'] : []),
    ...(driver && driver !== 'local' ? [`driver: ${shown(driver)}`] : []),
    ...(isEmpty(options) ? [] : [`driver_opts: ${shown(options)}`]),
  ];
}

const isEmpty = (value: unknown) =>
  Object.keys((value as Keys | null | undefined) ?? {}).length === 0;

/** Of secrets and configs. */
function fileFaults(model: Asked, directory: string): string[] {
  const faults: string[] = [];
  for (const part of ['secrets', 'configs'] as const) {
    for (const [name, entry] of entriesOf(model[part])) {
      const allowed = ['name', 'file', 'content', 'environment'];
      const others = Object.keys(entry).filter((key) => entry[key] && !allowed.includes(key));
      for (const key of others) faults.push(`${part} ${name}: ${key}: ${shown(entry[key])}`);
    }
  }
  const outside = filesOf(model).flatMap((path) => straightPathFaults('the file', path, directory));
  return [...faults, ...outside];
}

function sizeFaults(model: Asked, mostContainers: number): string[] {
  const containers = entriesOf(model.services).map(([, service]) => replicasOf(service));
  const sum = containers.reduce((a, b) => a + Math.max(0, b), 0); // a negative one takes none away
  const networks = entriesOf(model.networks).length;
  const faults: string[] = [];
  if (!(sum <= mostContainers)) faults.push(`${sum} containers, more than ${mostContainers}`);
  if (networks > limits.networks) faults.push(`${networks} networks, more than ${limits.networks}`);
  return faults;
}

/** The bind mounts that are read-only here: who can write to a directory could replace the source
 * of another mount in it by a symbolic link to any place of the machine. */
export function unsafeMounts(model: Asked): Set<Mount> {
  const services = entriesOf(model.services).map(([, service]) => service);
  const mounts = services.flatMap(mountsOf).filter(({ type }) => type === 'bind');
  const sources = [...mounts.map(sourceOf), ...filesOf(model)];
  const contains = (mount: Mount) =>
    sources.some((path) => path !== sourceOf(mount) && isInside(sourceOf(mount), path));
  return new Set(mounts.filter(contains));
}
