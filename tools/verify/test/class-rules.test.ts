// What a submission may ask for: nothing here needs Docker.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { Ended } from '../command.ts';
import type { Asked, Keys } from '../class/asked.ts';
import { run } from '../class/command.ts';
import { copyFolder } from '../class/copy.ts';
import { bytesIn, bytesOf } from '../class/disk.ts';
import { syntaxFault } from '../class/dockerfile.ts';
import { environment } from '../class/environment.ts';
import { fenced } from '../class/fenced.ts';
import { FencedProject } from '../class/fenced-project.ts';
import { limits } from '../class/limits.ts';
import { refusals } from '../class/policy.ts';
import { outsideReferences } from '../class/references.ts';
import { Refused } from '../class/refused.ts';
import { laySecrets, laySettings, settingsOf } from '../class/settings.ts';
import { folder } from './folder.ts';

const names = { project: 'verify-x', imageOf: (service: string) => `verify-x/${service}:judged` };

/** What a service is refused for, in a folder with an api directory. */
function refusedFor(service: Keys, rest: Asked = {}): string[] {
  const directory = folder({ 'api/Dockerfile': 'FROM scratch\n' });
  const placed = JSON.parse(JSON.stringify(service).replaceAll('FOLDER', directory)) as Keys;
  return refusals({ services: { api: placed }, ...rest }, directory);
}

const bind = (source: string, more: Keys = {}) => ({
  volumes: [{ type: 'bind', source, target: '/x', ...more }],
});

describe('a service', () => {
  it.each<[what: string, service: Keys]>([
    ['privileged', { privileged: true }],
    ['the network of the host', { network_mode: 'host' }],
    ['the network of a container', { network_mode: 'container:db' }],
    ['the processes of the host', { pid: 'host' }],
    ['the memory of the host', { ipc: 'host' }],
    ['the user ids of the host', { userns_mode: 'host' }],
    ['the name of the host', { uts: 'host' }],
    ['the control groups of the host', { cgroup: 'host' }],
    ['a control group of its choice', { cgroup_parent: '/' }],
    ['a device', { devices: [{ source: '/dev/kmsg', target: '/dev/kmsg' }] }],
    ['devices by rule', { device_cgroup_rules: ['b *:* rwm'] }],
    ['a capability', { cap_add: ['CHOWN', 'CAP_SYS_ADMIN'] }],
    ['all capabilities', { cap_add: ['ALL'] }],
    ['no seccomp', { security_opt: ['seccomp:unconfined'] }],
    ['new privileges', { security_opt: ['no-new-privileges:false'] }],
    ['another runtime', { runtime: 'sysbox' }],
    ['a setting of the kernel', { sysctls: { 'kernel.shm_rmid_forced': '1' } }],
    ['the address of the host', { extra_hosts: ['host=host-gateway'] }],
    ['the volumes of a container', { volumes_from: ['container:db'] }],
    ['a program of the host', { provider: { type: 'anything' } }],
    ['the API of the engine', { use_api_socket: true }],
    ['a hook', { post_start: [{ command: ['id'], privileged: true }] }],
    ['what nobody knows yet', { something_new: 'x' }],
    ['the whole machine', bind('/')],
    ['the socket of the engine', bind('/var/run/docker.sock')],
    ['the directory above', bind('FOLDER/..')],
    ['a directory with the same start', bind('FOLDER-2')],
    ['the clock, to write', bind('/etc/localtime')],
    ['a mount of another type', { volumes: [{ type: 'image', source: 'x', target: '/x' }] }],
    ['a volume of another project', { volumes: [{ type: 'volume', source: 'y', target: '/x' }] }],
    ['a build above', { build: { context: 'FOLDER/..' } }],
    ['a build from the network', { build: { context: 'https://example.org/x.git' } }],
    ['a Dockerfile above', { build: { context: 'FOLDER/api', dockerfile: '../../Dockerfile' } }],
    ['a build in the network of the host', { build: { context: 'FOLDER/api', network: 'host' } }],
    ['a privileged build', { build: { context: 'FOLDER/api', privileged: true } }],
    ['an entitlement', { build: { context: 'FOLDER/api', entitlements: ['network.host'] } }],
    ['the SSH agent', { build: { context: 'FOLDER/api', ssh: ['default'] } }],
    ['another builder', { build: { context: 'FOLDER/api', args: { BUILDKIT_SYNTAX: 'x/y' } } }],
    ['more contexts', { build: { context: 'FOLDER/api', additional_contexts: { x: '/' } } }],
    ['too many containers', { deploy: { replicas: 1_000 } }],
    ['replicas that are no number', { scale: 'x' }],
    ['a health check every millisecond', { healthcheck: { interval: '1ms' } }],
  ])('may not have %s', (_what, service) => {
    expect(refusedFor({ image: 'x', ...service })).toHaveLength(1);
  });

  it.each<[what: string, service: Keys, rest?: Asked]>([
    ['nothing special', {}],
    ['privileged: false', { privileged: false }],
    ['fewer capabilities', { cap_drop: ['ALL'], cap_add: ['CHOWN', 'NET_BIND_SERVICE'] }],
    ['no new privileges', { security_opt: ['no-new-privileges:true'] }],
    ['a sysctl of its network', { sysctls: { 'net.ipv4.ip_unprivileged_port_start': '0' } }],
    ['its own files', bind('FOLDER/api')],
    ['its whole folder', bind('FOLDER')],
    ['a file whose name has a dollar sign', bind('FOLDER/a$$b')],
    ['a directory that is not there yet', bind('FOLDER/data/new')],
    ['the clock', bind('/etc/localtime', { read_only: true })],
    ['a build', { build: { context: 'FOLDER/api', dockerfile: 'Dockerfile', args: { A: '1' } } }],
    ['a build by its whole folder', { build: { context: 'FOLDER', dockerfile: 'api/Dockerfile' } }],
    [
      'a named volume',
      { volumes: [{ type: 'volume', source: 'a', target: '/x' }] },
      { volumes: { a: null } },
    ],
    ['replicas and limits', { deploy: { replicas: 2, resources: { limits: { memory: '1' } } } }],
    [
      'a health check every half second',
      { healthcheck: { interval: '1m30s', start_interval: '500ms' } },
    ],
    ['the network of another service', { network_mode: 'service:web' }],
    ['a name of its own', { container_name: 'api' }],
  ])('may have %s', (_what, service, rest) => {
    expect(refusedFor({ image: 'x', ...service }, rest)).toEqual([]);
  });

  it('may not reach out through a link that is in its folder', () => {
    const directory = folder();
    symlinkSync('/', join(directory, 'root'));
    const services = { api: bind(join(directory, 'root', 'etc')) };
    expect(refusals({ services }, directory)).toEqual([
      `service api: volumes: the host path ${directory}/root/etc is not in the folder`,
    ]);
  });

  it('may not mount through a link, which a container could turn into another', () => {
    const directory = folder({ 'data/sub/x': '' });
    symlinkSync('data', join(directory, 'alias'));
    const alias = join(directory, 'alias');
    const model = { services: { api: bind(alias) }, secrets: { a: { file: `${alias}/sub/x` } } };
    expect(refusals(model, directory)).toEqual([
      `service api: volumes: the host path ${alias} leads through a symbolic link`,
      `the file ${alias}/sub/x leads through a symbolic link`,
    ]);
  });

  it('may not have more containers because another has fewer than none', () => {
    const services = { api: { deploy: { replicas: 1_000 } }, web: { deploy: { replicas: -990 } } };
    expect(refusals({ services }, folder())).toEqual([expect.stringContaining('1000 containers')]);
  });
});

describe('the other parts of a model', () => {
  it.each<[what: string, model: Asked]>([
    ['an external network', { networks: { a: { external: true } } }],
    ['a network of the host', { networks: { a: { driver: 'host' } } }],
    ['a network on a device', { networks: { a: { driver_opts: { parent: 'eth0' } } } }],
    ['an external volume', { volumes: { a: { external: true } } }],
    [
      'a volume that is a directory',
      { volumes: { a: { driver_opts: { device: '/', o: 'bind' } } } },
    ],
    ['a volume of another driver', { volumes: { a: { driver: 'sshfs' } } }],
    ['a secret of the host', { secrets: { a: { file: '/root/.ssh/id_rsa' } } }],
    ['an external secret', { secrets: { a: { external: true } } }],
    ['a configuration of the host', { configs: { a: { file: '/etc/shadow' } } }],
    [
      'many networks',
      { networks: Object.fromEntries(Array.from({ length: 50 }, (_, n) => [`n${n}`, null])) },
    ],
  ])('may not be %s', (_what, model) => {
    expect(refusals(model, folder())).toHaveLength(1);
  });

  it('may be networks, volumes, and secrets in the folder', () => {
    const directory = folder();
    const model = {
      networks: { a: { internal: true, ipam: {} }, b: null },
      volumes: { a: { name: 'x_a', driver: 'local' } },
      secrets: { a: { file: join(directory, 'secrets/a') }, b: { environment: 'B' } },
    };
    expect(refusals(model, directory)).toEqual([]);
  });
});

describe('the model that runs', () => {
  const directory = '/submission';
  const model = (service: Keys): Asked => ({ services: { api: service, db: { image: 'db' } } });
  const serviceOf = (service: Keys) => fenced(model(service), names).services?.api ?? {};

  it('publishes ports on this machine only, and where they are free', () => {
    const ports = [{ target: 80, published: '80', host_ip: '0.0.0.0', protocol: 'tcp' }];
    const free = { mode: 'ingress', host_ip: '127.0.0.1', target: 80, protocol: 'tcp' };
    expect(serviceOf({ image: 'x', ports }).ports).toEqual([free]);
  });

  it('has limits of memory, processes, CPU, file and log size, and keeps smaller ones', () => {
    expect(serviceOf({ image: 'x' })).toMatchObject({
      mem_limit: String(limits.memoryBytes),
      memswap_limit: String(limits.memoryBytes),
      pids_limit: limits.processes,
      cpus: limits.cpus,
      ulimits: { fsize: limits.fileBytes },
      logging: { driver: 'json-file', options: { 'max-size': '1m', 'max-file': '2' } },
    });
    const small = { deploy: { resources: { limits: { memory: '67108864' } } } };
    expect(serviceOf({ image: 'x', ...small }).mem_limit).toBe('67108864');
    expect(serviceOf({ image: 'x', mem_limit: '99999999999' }).mem_limit).toBe(
      String(limits.memoryBytes),
    );
  });

  it('builds under a name of our own: the name may be that of an image that others use', () => {
    const service = { image: 'nginx:1.30-alpine', build: { context: '/submission/api' } };
    expect(serviceOf(service)).toMatchObject({ image: 'verify-x/api:judged' });
    expect(serviceOf(service)).not.toHaveProperty('build');
  });

  it('shares no name with other projects, but a container is still found by its own', () => {
    const service = { image: 'x', container_name: 'my-api', networks: { back: null } };
    const asked = {
      services: { api: service },
      networks: { back: { name: 'shared', internal: true } },
      volumes: { data: { name: 'shared' } },
    };
    const result = fenced(asked, names);
    expect(result.services?.api).not.toHaveProperty('container_name');
    expect(result.services?.api?.networks).toEqual({ back: { aliases: ['my-api'] } });
    expect(result.networks?.back).toEqual({
      internal: true,
      labels: { 'taskapp.verify.class': 'verify-x' },
    });
    expect(result.volumes?.data).not.toHaveProperty('name');
  });

  it('mounts a directory read-only that another mount is in: it could be replaced by a link', () => {
    const mount = (source: string) => ({ type: 'bind', source, target: source, read_only: false });
    const volumes = [directory, `${directory}/data`, `${directory}/data-2`].map(mount);
    const readOnly = (serviceOf({ image: 'x', volumes }).volumes as Keys[]).map(
      (entry) => entry.read_only,
    );
    expect(readOnly).toEqual([true, false, false]);
  });
});

describe('the checks', () => {
  /** The arguments and the input of a docker command that a check gives; nothing runs. */
  async function dockerSees(act: (project: FencedProject) => Promise<unknown>) {
    const directory = folder();
    const path = process.env.PATH;
    process.env.PATH = `${join(import.meta.dirname, 'arguments')}:${path}`;
    onTestFinished(() => void (process.env.PATH = path));
    const paths = { directory, mounted: '/mounted', model: '/fenced.json' };
    const ended = (await act(new FencedProject({ ...paths, name: 'verify-x' }))) as Ended;
    return ended.stdout.toString();
  }

  it('act on the model that runs, and read that of the submission', async () => {
    const acted = await dockerSees((project) => project.compose(['up', '-d']));
    expect(acted).toMatch(/^compose\n-p\nverify-x\n--project-directory\n\/mounted\n-f\n\/fenced/);
    const read = await dockerSees((project) => project.docker(['compose', 'config']));
    expect(read).toBe('compose\nconfig\n');
  });

  it('start containers of their own within limits only', async () => {
    const started = await dockerSees((project) => project.docker(['run', '--rm', 'x']));
    expect(started).toMatch(/^run\n--label=taskapp\.verify\.class=verify-x\n--memory=\d+\n/);
    expect(started).toContain(`--pids-limit=${limits.processes}\n`);
    const stdin = ['compose', '-f', '-', 'up', '--no-start'];
    const input = JSON.stringify({ services: { a: { image: 'x', labels: { own: 'y' } } } });
    const composed = await dockerSees((project) => project.docker(stdin, { input }));
    expect(JSON.parse(composed.slice(composed.indexOf('{')))).toMatchObject({
      services: {
        a: {
          pids_limit: limits.processes,
          labels: { own: 'y', 'taskapp.verify.class': 'verify-x' },
        },
      },
    });
  });

  it('start nothing that the submission asks for', async () => {
    const up = dockerSees((project) => project.docker(['compose', 'up', '-d']));
    await expect(up).rejects.toThrow('must be within limits');
    const input = JSON.stringify({ services: { a: { image: 'x', privileged: true } } });
    const stdin = ['compose', '-f', '-', 'up'];
    const asked = dockerSees((project) => project.docker(stdin, { input }));
    await expect(asked).rejects.toThrow('service a: privileged: true');
  });
});

describe('the files that Compose reads by itself', () => {
  const faultsOf = (text: string, named: string[] = [], more: Record<string, string> = {}) =>
    outsideReferences(folder({ 'compose.yml': text, ...more }), named);

  it.each([
    ['an env_file of the machine', 'services: { a: { env_file: /etc/shadow } }'],
    ['an env_file above', 'services: { a: { env_file: [{ path: ../x }] } }'],
    ['an env_file by a variable', 'services: { a: { env_file: ["${X}"] } }'],
    ['an env_file at home', 'services: { a: { env_file: ~/.netrc } }'],
    ['an env_file in an anchor', 'x: &x { env_file: /x }\nservices: { a: { <<: *x } }'],
    ['a second document', 'services: {}\n---\nservices: { a: { label_file: /etc/passwd } }'],
    ['an escaped key', 'services: { a: { "env\\u005ffile": /etc/shadow } }'],
    ['another base', 'services: { a: { extends: { file: ../b.yml, service: b } } }'],
    ['an include from the network', 'include: ["https://example.org/x.git"]'],
    ['an include from a registry', 'include: [{ path: "oci://example.org/x" }]'],
    ['an include of another directory', 'include: [{ path: a.yml, project_directory: / }]'],
    ['settings of an include', 'include: [{ path: a.yml, env_file: /root/.env }]'],
    ['what is no YAML', 'services: {'],
    ['a key twice', 'services: {}\nservices: {}'],
  ])('are not %s', (_what, text) => {
    expect(faultsOf(text)).toHaveLength(1);
  });

  it('are not outside in an included file either', () => {
    const bad = { 'parts/a.yml': 'services: { a: { env_file: ../../x } }' };
    expect(faultsOf('include: [parts/a.yml]', [], bad)).toHaveLength(1);
  });

  it('are not outside when .env names the file from another directory', () => {
    const parts = { 'parts/a.yml': 'services: { a: { env_file: ../x } }' };
    expect(faultsOf('services: {}', ['parts/a.yml'], parts)).toEqual([]);
    expect(faultsOf('services: {}', ['compose.yml', 'parts/a.yml'], parts)).toHaveLength(1);
    expect(faultsOf('services: {}', ['/etc/x.yml'], parts)).toHaveLength(1);
  });

  it('may be in the folder, and files may include one another', () => {
    const text = 'include: [compose.a.yml]\nservices: { a: { env_file: [.env, ./a/b.env] } }';
    expect(faultsOf(text, [], { 'compose.a.yml': 'include: [compose.yml]' })).toEqual([]);
    expect(faultsOf('x: &x [*x]\nservices: {}')).toEqual([]);
  });
});

describe('the settings', () => {
  const none = { faults: [], files: [] };

  it('come from the example, and from nothing else if there is a .env', () => {
    const directory = folder({ '.env.example': 'A=1\n', '.env.prod.example': 'A=2\n' });
    expect(laySettings(directory)).toEqual(['.env was copied from .env.example']);
    expect(readFileSync(join(directory, '.env'), 'utf8')).toMatch(/^A=1\n# .*\n$/);
    expect(statSync(join(directory, '.env')).mode & 0o777).toBe(0o600);
    expect(laySettings(directory)).toEqual(['its own .env was used']);
  });

  it('may name files, but not set how Docker works', () => {
    const text =
      'COMPOSE_FILE="a.yml:b.yml"\nDOCKER_HOST=tcp://x\n export COMPOSE_PATH_SEPARATOR = ,';
    expect(settingsOf(folder({ '.env': text }))).toEqual({
      faults: ['.env sets DOCKER_HOST', '.env sets COMPOSE_PATH_SEPARATOR'],
      files: ['a.yml', 'b.yml'],
    });
  });

  it.each([
    ['COMPOSE_FILE=x.yml # c', { faults: [], files: ['x.yml'] }],
    ['COMPOSE_FILE=a;b.yml', { faults: ['.env sets COMPOSE_FILE to a;b.yml'], files: [] }],
    ['\uFEFFCOMPOSE_FILE=x', { faults: [], files: ['x'] }],
    ["A='x' COMPOSE_FILE=y", { faults: [], files: ['y'] }],
    ['A="\n# " DOCKER_HOST=x', { faults: ['.env sets DOCKER_HOST'], files: [] }],
    ['exportCOMPOSE_FILE=x', { faults: [], files: ['x'] }],
    ['# DOCKER_HOST=x\nX=${COMPOSE_PROJECT_NAME:-a}\nY="${DOCKER_HOST:-x}"', none],
  ])('are read as Compose reads them: %j', (text, expected) => {
    expect(settingsOf(folder({ '.env': text }))).toEqual(expected);
  });

  it('have the secret files that are missing, the same in both copies', () => {
    const [judged, mounted] = [folder(), folder({ 'secrets/b': 'mine' })];
    const paths = ['secrets/a', 'secrets/b', '../out'].map((path) => join(mounted, path));
    laySecrets(paths, mounted, [judged, mounted]);
    const text = readFileSync(join(judged, 'secrets/a'), 'utf8');
    expect(text).toMatch(/^[0-9a-f]{32}$/);
    expect(readFileSync(join(mounted, 'secrets/a'), 'utf8')).toBe(text);
    expect(readFileSync(join(mounted, 'secrets/b'), 'utf8')).toBe('mine');
    expect(existsSync(join(mounted, '../out'))).toBe(false);
  });
});

describe('a copy', () => {
  const copyOf = (from: string) => {
    const to = join(folder(), 'copy');
    copyFolder(from, to);
    return to;
  };

  it('has the files, the links inside, and the permissions', () => {
    const from = folder({ 'a/b.sh': 'x' });
    symlinkSync('a/b.sh', join(from, 'link'));
    execFileSync('chmod', ['4755', join(from, 'a/b.sh')]);
    const copy = copyOf(from);
    expect(readFileSync(join(copy, 'link'), 'utf8')).toBe('x');
    expect(statSync(join(copy, 'a/b.sh')).mode & 0o7777).toBe(0o755);
  });

  it.each([
    ['an absolute path', '/etc/passwd'],
    ['a path above', '../x'],
    ['nowhere', 'missing'],
    ['above by way of another link', 'deep/up/../../x'],
  ])('is refused with a link to %s', (_what, target) => {
    const from = folder({ 'deep/x': '', x: '' });
    symlinkSync('..', join(from, 'deep/up'));
    symlinkSync(target, join(from, 'link'));
    expect(() => copyOf(from)).toThrow(Refused);
  });

  it('is refused with what is no file', () => {
    const from = folder();
    execFileSync('mkfifo', [join(from, 'pipe')]);
    expect(() => copyOf(from)).toThrow('pipe is no file, directory or symbolic link');
  });

  it('is refused if it is too large', () => {
    const from = folder();
    execFileSync('truncate', ['-s', String(limits.bytes + 1), join(from, 'big')]);
    expect(() => copyOf(from)).toThrow('more than 300 MiB');
  });

  it('has the repository, but nothing in it that names a program', async () => {
    const from = folder({ 'a.txt': 'x' });
    const git = (...args: string[]) => execFileSync('git', args, { cwd: from, stdio: 'pipe' });
    git('init', '--quiet');
    git('add', '.');
    git('config', 'core.fsmonitor', 'touch /tmp/owned');
    writeFileSync(join(from, '.git/hooks/post-checkout'), '#!/bin/sh\n', { mode: 0o755 });
    mkdirSync(join(from, '.git/objects/info'), { recursive: true });
    writeFileSync(join(from, '.git/objects/info/alternates'), '/elsewhere\n');
    mkdirSync(join(from, 'sub/.git'), { recursive: true });
    const copy = copyOf(from);
    expect(readFileSync(join(copy, '.git/config'), 'utf8')).not.toContain('fsmonitor');
    for (const path of ['.git/hooks', '.git/objects/info/alternates', 'sub/.git'])
      expect(existsSync(join(copy, path))).toBe(false);
    const env = environment(process.env, dirname(copy));
    const listed = await run('git', ['ls-files'], { cwd: copy, env, limitMs: 10_000 });
    expect(listed.stdout).toBe('a.txt\n');
  });
});

describe('a program of a submission', () => {
  it('gets no secrets of whoever runs this', () => {
    const env = { PATH: '/bin', AWS_SECRET_ACCESS_KEY: 'x', VERIFY_TOKEN: 'x', DOCKER_HOST: 'y' };
    const { PATH, DOCKER_HOST, ...rest } = environment(env, '/');
    expect([PATH, DOCKER_HOST]).toEqual(['/bin', 'y']);
    expect(Object.values(rest)).not.toContain('x');
  });

  it('is ended when it takes too long, prints too much, or is told to', async () => {
    const limit = { limitMs: 5_000 };
    const late = await run('sh', ['-c', 'sleep 60 & wait'], { limitMs: 300 });
    expect(late).toMatchObject({ ok: false, ended: 'not done within 0.3 s' });
    const much = await run('yes', [], { ...limit, maxBytes: 10_000 });
    expect(much).toMatchObject({ ok: false, ended: 'it printed too much' });
    expect(much.stdout.length).toBeLessThanOrEqual(10_000);
    const stop = new AbortController();
    const stopped = run('sleep', ['60'], { ...limit, signal: stop.signal });
    stop.abort(new Error('no more disk'));
    expect(await stopped).toMatchObject({ ok: false, ended: 'no more disk' });
    expect(await run('true', [], { ...limit, signal: stop.signal })).toMatchObject({ ok: false });
  });

  it('has the end of what it wrote to standard error, and its exit code', async () => {
    const script = 'yes x | head -c 1000000 >&2; echo last >&2; exit 3';
    const { ok, stderr, ended } = await run('sh', ['-c', script], { limitMs: 5_000 });
    expect([ok, ended, stderr.endsWith('last')]).toEqual([false, '', true]);
    expect(stderr.length).toBeLessThan(70_000);
  });
});

describe('a Dockerfile', () => {
  it.each([
    ['FROM x', 0],
    ['# syntax=docker/dockerfile:1\nFROM x', 0],
    ['# syntax=docker/dockerfile:1.7-labs@sha256:0a\nFROM x', 0],
    ['# syntax=evil/frontend\nFROM x', 1],
    ['#SYNTAX = docker.io/evil/dockerfile:1\nFROM x', 1],
    ['// syntax=evil/frontend\nFROM x', 1],
    ['{"syntax": "evil/frontend"}', 1],
  ])('%j has %i builders that are not Docker’s', (text, count) => {
    expect(syntaxFault('', text)).toHaveLength(count);
  });
});

describe('the disk', () => {
  it('is counted by what belongs to a submission, whatever its labels say', () => {
    const usage = {
      Containers: [
        { ID: 'aa11', Size: '1.5kB (virtual 80MB)' },
        { ID: 'bb22', Size: '1GB' },
      ],
      Volumes: [
        { Name: 'x_data', Size: '2MB' },
        { Name: 'y_data', Size: 'N/A' },
      ],
    };
    expect(bytesOf(usage, { containers: ['aa1'], volumes: ['x_data'] })).toBe(2_001_500);
    expect(bytesOf(usage)).toBe(1_002_001_500);
    expect(bytesIn('12GB')).toBe(12e9);
  });
});
