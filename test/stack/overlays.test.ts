// What the other Compose files and .env change, on copies of the repository.
import { execFileSync, spawnSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, inject, it, onTestFinished } from 'vitest';
import { freePort } from '../../local/embedded.ts';
import { verify } from '../../tools/verify/run.ts';
import { differences } from '../../tools/verify/test/expected.ts';
import { copyOfRepository, root } from '../lib/copy.ts';
import { Production } from '../lib/production.ts';
import { type Options, postJson, Stack, untilAllowed } from '../lib/stack.ts';

function newStack(options: Options): Stack {
  const stack = new Stack(options);
  onTestFinished(() => stack.destroy());
  return stack;
}

const replace = (file: string, search: string, replacement: string) => {
  const text = readFileSync(file, 'utf8');
  expect(text).toContain(search);
  writeFileSync(file, text.replace(search, replacement));
};

describe.skipIf(inject('notRunBecause'))('compose.override.yml', () => {
  const files = ['compose.yml', 'compose.override.yml'];

  it('is loaded by itself, and left out with -f compose.yml', async () => {
    const ports = async (stack: Stack) => {
      const model = JSON.parse(await stack.compose('config', '--format', 'json')) as {
        services: Record<
          string,
          { ports?: { host_ip?: string; published: string; target: number }[] }
        >;
      };
      return Object.entries(model.services).flatMap(([name, { ports: list = [] }]) =>
        list.map(({ host_ip, published, target }) => `${name} ${host_ip}:${published}:${target}`),
      );
    };
    const env = { HTTP_PORT: '80', API_PORT: '8080', POSTGRES_PORT: '5432' };
    const alone = new Stack({ files: ['compose.yml'], env });
    expect(await ports(alone)).toEqual(['web undefined:80:80']);
    const bound = { files: ['compose.yml'], env: { ...env, HTTP_BIND: '127.0.0.1' } };
    expect(await ports(new Stack(bound))).toEqual(['web 127.0.0.1:80:80']);
    expect(
      (await ports(new Stack({ files: [], env }))).toSorted((a, b) => a.localeCompare(b)),
    ).toEqual(['api 127.0.0.1:8080:8080', 'db 127.0.0.1:5432:5432', 'web undefined:80:80']);
  });

  it('publishes the API and PostgreSQL on 127.0.0.1, and runs an edit of api/src', async () => {
    const directory = copyOfRepository();
    const own = { HTTP_BIND: '127.0.0.2', HTTP_PORT: String(await freePort()) };
    const stack = newStack({ directory, files, env: own });
    await stack.up();
    expect(await stack.url()).toBe(`http://127.0.0.2:${own.HTTP_PORT}`);
    const bindings = async (service: string, port: string) =>
      (await stack.inspect(service)).NetworkSettings.Ports[port];
    expect((await bindings('db', '5432/tcp'))?.map(({ HostIp }) => HostIp)).toEqual(['127.0.0.1']);
    const api = await bindings('api', '8080/tcp');
    expect(api?.map(({ HostIp }) => HostIp)).toEqual(['127.0.0.1']);

    expect(differences(await verify(stack.asProject()), [])).toEqual([]);

    const direct = `http://127.0.0.1:${api?.[0]?.HostPort}/`;
    expect(await (await fetch(direct)).json()).toMatchObject({ application: 'Task API' });
    replace(join(directory, 'api/src/app.ts'), "application: 'Task API'", "application: 'Edited'");
    const application = async () => {
      const response = await stack.fetch('/').catch(() => undefined);
      return response?.ok
        ? ((await response.json()) as { application: string }).application
        : undefined;
    };
    await expect.poll(application, { timeout: 30_000, interval: 50 }).toBe('Edited');
    // Some editors write another file and rename it over the old one.
    for (const name of ['Renamed', 'Again']) {
      const file = join(directory, 'api/src/app.ts');
      writeFileSync(
        `${file}.part`,
        readFileSync(file, 'utf8').replace(/application: '\w+'/, `application: '${name}'`),
        { mode: 0o600 },
      );
      chmodSync(`${file}.part`, 0o644);
      renameSync(`${file}.part`, file);
      await expect.poll(application, { timeout: 30_000, interval: 50 }).toBe(name);
    }

    // A mistake in the code stops the server only until it is fixed.
    replace(join(directory, 'api/src/app.ts'), "'Again'", "'Again");
    await expect.poll(application, { timeout: 30_000, interval: 50 }).toBeUndefined();
    replace(join(directory, 'api/src/app.ts'), "'Again", "'Mended'");
    await expect.poll(application, { timeout: 30_000, interval: 50 }).toBe('Mended');
  });

  it('has adminer and pgadmin in the profile debug only', async () => {
    const services = async (...args: string[]) =>
      (await new Stack({ files }).compose(...args, 'config', '--services')).split('\n');
    expect(await services()).not.toContain('adminer');
    expect(await services('--profile', 'debug')).toEqual(
      expect.arrayContaining(['adminer', 'pgadmin']),
    );
  });
});

/** The settings of a machine for deploy/ha/compose.yml. */
const node = {
  HA_NODE1: '10.0.0.1',
  HA_NODE2: '10.0.0.2',
  HA_NODE3: '10.0.0.3',
  HA_NAME: 'node1',
  HA_ADDRESS: '10.0.0.1',
};

/** The services of all files and profiles, as Compose reads them. */
async function allServices(): Promise<Record<string, Service>> {
  const files = ['compose.yml', 'compose.prod.yml', 'db/compose.pitr.yml'];
  files.push('nginx/compose.certbot.yml', 'deploy/ha/compose.yml');
  const env = { ACME_DOMAINS: 'tasks.example.org', ACME_EMAIL: 'ops@example.org', ...node };
  const config = ['--profile', '*', 'config', '--format', 'json'];
  const text = await new Stack({ files, env }).compose(...config);
  return (JSON.parse(text) as { services: Record<string, Service> }).services;
}
interface Service {
  deploy?: { resources?: { limits?: { cpus?: number; memory?: string; pids?: number } } };
  ports?: { host_ip?: string; published: string; target: number }[];
  environment?: Record<string, string>;
  volumes?: { type: string; source: string; target: string; read_only?: boolean }[];
}

describe.skipIf(inject('notRunBecause'))('the limits of production', () => {
  it('let every service start on a machine with one core, whose engine refuses more', async () => {
    const cpus = Object.entries(await allServices()).map(([name, { deploy }]) => [
      name,
      deploy?.resources?.limits?.cpus ?? Infinity,
    ]);
    expect(cpus).toHaveLength(15);
    expect(cpus.filter(([, limit]) => Number(limit) > 1)).toEqual([]);
  });

  it('do not depend on the cores of the host: two workers of nginx, one thread of Go', async () => {
    const nginx = readFileSync(join(root, 'nginx/nginx.conf'), 'utf8');
    expect(nginx).toMatch(/^worker_processes 2;$/m);
    const services = await allServices();
    const go = ['prometheus', 'alertmanager', 'grafana', 'blackbox'];
    go.push(...['postgres', 'nginx', 'node'].map((name) => `${name}-exporter`));
    const threads = go.map((name) => services[name]?.environment?.GOMAXPROCS);
    expect(threads).toEqual(go.map(() => '1'));
  });

  it('give Grafana what its data sources need as processes of their own', async () => {
    const { grafana } = await allServices();
    expect(Number(grafana?.deploy?.resources?.limits?.memory)).toBe(1024 ** 3);
  });
});

describe('deploy/ha/make-certificates.sh', () => {
  const machines = ['10.0.0.1', '10.0.0.2', '10.0.0.3'];
  const make = (directory: string, ...addresses: string[]) =>
    spawnSync(join(root, 'deploy/ha/make-certificates.sh'), ['--dir', directory, ...addresses]);

  it('signs a certificate for other addresses by the same authority', () => {
    const directory = mkdtempSync(join(tmpdir(), 'taskapp-certificates-'));
    onTestFinished(() => rmSync(directory, { recursive: true }));
    const certificate = (name: string) =>
      new X509Certificate(readFileSync(join(directory, `${name}.crt`)));
    expect(make(directory, ...machines).status).toBe(0);
    const authority = certificate('ha_ca');
    const first = certificate('ha');
    expect(make(directory, ...machines.with(2, '10.0.0.4')).status).toBe(0);
    const second = certificate('ha');
    expect(certificate('ha_ca').fingerprint256).toBe(authority.fingerprint256);
    for (const signed of [first, second]) {
      expect(signed.verify(authority.publicKey)).toBe(true);
      expect(signed.checkHost('haproxy')).toBe('haproxy');
      expect(signed.checkIP('10.0.0.1')).toBe('10.0.0.1');
    }
    expect(second.checkIP('10.0.0.4')).toBe('10.0.0.4');
    expect(second.checkIP('10.0.0.3')).toBeUndefined();

    for (const name of ['ha_ca.key', 'ha_ca.crt']) {
      renameSync(join(directory, name), join(directory, 'moved'));
      const { status, stderr } = make(directory, ...machines);
      expect(status).toBe(1);
      expect(stderr.toString()).toContain('is missing: copy both from another machine');
      renameSync(join(directory, 'moved'), join(directory, name));
    }
    expect(certificate('ha_ca').fingerprint256).toBe(authority.fingerprint256);
    expect(certificate('ha').fingerprint256).toBe(second.fingerprint256);
  });

  it('says what is wrong with the addresses, and leaves nothing half made', () => {
    const directory = mkdtempSync(join(tmpdir(), 'taskapp-certificates-'));
    onTestFinished(() => rmSync(directory, { recursive: true }));
    expect(make(directory, ...machines.slice(1)).status).toBe(2);
    const { status, stderr } = make(directory, ...machines.with(0, '10.0.0.256'));
    expect(status).toBe(1);
    expect(stderr.toString()).toContain('bad ip address');
    expect(readdirSync(directory)).toEqual(['ha_ca.crt', 'ha_ca.key']);
  });
});

describe.skipIf(inject('notRunBecause'))('the certificates of nginx', () => {
  const files = ['compose.yml', 'compose.prod.yml'];
  const certbot = [...files, 'nginx/compose.certbot.yml'];
  const acme = { ACME_DOMAINS: 'tasks.example.org', ACME_EMAIL: 'ops@example.org' };
  const volume = { type: 'volume', source: 'certificates' };
  const own = { type: 'bind', source: '/srv/tls' };

  it.each([
    [files, {}, volume],
    [files, { CERTIFICATE_DIR: '/srv/tls' }, own],
    [certbot, { ...acme, CERTIFICATE_DIR: '/srv/tls' }, volume],
  ])('of the files %j with %j are those in %j', async (names, env, source) => {
    const config = await new Stack({ files: names, env }).compose('config', '--format', 'json');
    const { services } = JSON.parse(config) as { services: Record<string, Service> };
    const mounts = services.web?.volumes?.filter(({ target }) => target === '/etc/certificates');
    expect(mounts).toEqual([expect.objectContaining({ ...source, read_only: true })]);
  });
});

describe.skipIf(inject('notRunBecause'))('nginx/compose.proxy.yml', () => {
  const files = ['compose.yml', 'compose.prod.yml', 'nginx/compose.proxy.yml'];

  it('names the settings that are missing', async () => {
    const config = (env: Record<string, string>) => new Stack({ files, env }).compose('config');
    await expect(config({ HTTP_BIND: '127.0.0.1' })).rejects.toThrow('TRUSTED_PROXIES is missing');
    await expect(config({ TRUSTED_PROXIES: '10.0.0.5' })).rejects.toThrow('HTTP_BIND is missing');
  });
});

/** A copy as after `git clone` under umask 077, and without any x bit. */
function copyUnderUmask077(): string {
  const directory = copyOfRepository();
  const find = (...args: string[]) => execFileSync('find', [directory, ...args, '+']);
  find('-type', 'f', '-exec', 'chmod', '0600', '{}');
  find('-type', 'd', '-exec', 'chmod', '0700', '{}');
  return directory;
}
const letContainersRead = (directory: string) =>
  execFileSync('chmod', ['-R', 'a+rX', 'api/src', 'db', 'monitoring'], { cwd: directory });

describe.skipIf(inject('notRunBecause'))('a clone made under umask 077, without x bits', () => {
  it('serves as soon as the containers can read what is mounted', async () => {
    const directory = copyUnderUmask077();
    letContainersRead(directory);
    const stack = newStack({ directory, files: ['compose.yml', 'compose.override.yml'] });
    await stack.up({ build: true });
    expect((await stack.fetch('/healthz')).status).toBe(200);
    expect((await stack.fetch('/app.js')).status).toBe(200);
    // All init files were run, the last one sourced.
    const logins = "('taskapp_api', 'taskapp_monitor')";
    const statement = `SELECT count(*) FROM pg_roles WHERE rolname IN ${logins}`;
    expect((await stack.sql(statement)).trim()).toBe('2');
  });

  it('has images that need nothing of it: production runs after one command', async () => {
    const directory = copyUnderUmask077();
    const stack = new Production({ directory });
    onTestFinished(() => stack.remove());
    await stack.compose('up', '-d', '--no-deps', 'db');
    const log = async () => (await stack.logStreams('db')).stderr;
    const message = 'taskapp db: db/postgres-without-password.sh cannot be run; on the host:';
    await expect.poll(log, { timeout: 20_000 }).toContain(message);

    // Before the files are mended: a database that is being made ignores the signal to stop.
    await untilAllowed(() => stack.compose('rm', '--stop', '--force', 'db'));
    letContainersRead(directory);
    execFileSync('chmod', ['a+x', 'db/postgres-without-password.sh'], { cwd: directory });
    await stack.up({ build: true });
    expect((await stack.https('/api/tasks')).status).toBe(200);
  });

  it('is told what the container of development cannot read', async () => {
    const directory = copyUnderUmask077();
    const stack = newStack({ directory, files: ['compose.yml', 'compose.override.yml'] });
    await stack.compose('up', '-d', '--build', '--no-deps', 'api');
    const log = async () => (await stack.logStreams('api')).stderr;
    const message = 'the container cannot read api/src; on the host: chmod -R a+rX api/src';
    await expect.poll(log, { timeout: 20_000 }).toContain(message);
  });

  it('is named by check-health.sh', () => {
    const directory = copyUnderUmask077();
    const mounted = () => {
      const { stdout } = spawnSync('bash', ['scripts/check-health.sh'], { cwd: directory });
      return (
        stdout
          .toString()
          .split('\n')
          .find((line) => line.includes('mounted files')) ?? ''
      );
    };
    const unfit = mounted();
    expect(unfit).toMatch(/\[FAIL\] mounted files: .*api\/src, .*db\/init\/01_schema\.sql/);
    expect(unfit).toContain('chmod -R a+rX api/src db monitoring && chmod a+x db/*.sh');
    letContainersRead(directory);
    expect(mounted()).toMatch(/\[FAIL\] mounted files: .*: db\/postgres-without-password\.sh; /);
    execFileSync('sh', ['-c', 'chmod a+x db/*.sh'], { cwd: directory });
    expect(mounted()).toMatch(/\[OK\]/);
  });
});

describe.skipIf(inject('notRunBecause'))('a proxy in ~/.docker/config.json', () => {
  it('is asked by no health check, and by no command of the course', async () => {
    const config = mkdtempSync(join(tmpdir(), 'taskapp-docker-'));
    onTestFinished(() => rmSync(config, { recursive: true }));
    const away = 'http://127.0.0.1:9'; // nothing answers there
    const proxies = { default: { httpProxy: away, httpsProxy: away } };
    writeFileSync(join(config, 'config.json'), JSON.stringify({ proxies }));
    const plugins = join(homedir(), '.docker/cli-plugins'); // where Compose may be
    if (existsSync(plugins)) symlinkSync(plugins, join(config, 'cli-plugins'));
    const stack = newStack({});
    await stack.nameImages();
    stack.env.DOCKER_CONFIG = config;
    await stack.compose('up', '-d', '--wait');
    expect((await stack.inspect('api')).Config.Env).toContain(`http_proxy=${away}`);
    const ask = (url: string) => stack.compose('exec', '-T', 'web', 'wget', '-qO-', url);
    expect(await ask('http://api:8080/healthz')).toBe('{"status":"healthy"}');
    expect(await ask('http://localhost/nginx-health')).toBe('healthy\n');
  });
});

describe.skipIf(inject('notRunBecause'))('.env', () => {
  it('takes passwords with special characters', async () => {
    const directory = copyOfRepository();
    const example = readFileSync(join(root, '.env.example'), 'utf8');
    const env = example
      .replace("'change-me-owner'", `'o$wner#:@ /"\\x'`)
      .replace("'change-me-api'", `'$a#p@i: %"\\\\é'`);
    expect(env).not.toBe(example);
    writeFileSync(join(directory, '.env'), env);
    const stack = newStack({ directory, env: { COMPOSE_DISABLE_ENV_FILE: '0' } });
    await stack.up();
    const { Config } = await stack.inspect('api');
    expect(Config.Env).toContain('DB_PASS=$a#p@i: %"\\\\é');
    expect((await stack.fetch('/healthz')).status).toBe(200);
  });

  it("may make the API use the owner's login, as the course has it", async () => {
    const directory = copyOfRepository();
    const owner = ['POSTGRES_DB=taskdb', 'POSTGRES_USER=taskapp', 'POSTGRES_PASSWORD=secret'];
    const api = ['DB_NAME=taskdb', 'DB_USER=taskapp', 'DB_PASS=secret'];
    writeFileSync(join(directory, '.env'), `${[...owner, ...api].join('\n')}\n`);
    const stack = newStack({ directory, env: { COMPOSE_DISABLE_ENV_FILE: '0' } });
    await stack.up();
    expect((await stack.fetch('/api/tasks', postJson({ title: 'x' }))).status).toBe(201);
  });
});

describe.skipIf(inject('notRunBecause'))('a broken init file', () => {
  it.each(['01_schema.sql', '02_indexes.sql', '03_seed_data.sql', '04_roles.sh'])(
    '%s never ends in a healthy database, although the restart policy brings the server up',
    async (file) => {
      const directory = copyOfRepository();
      const path = join(directory, 'db/init', file);
      if (file.endsWith('.sql')) replace(path, 'COMMIT;', 'SELECT no_such_column;\nCOMMIT;');
      else replace(path, 'DO $$', 'SELECT no_such_column;\nDO $$');
      // With the owner's login, a half-made database looks most like a whole one.
      const env = { POSTGRES_PASSWORD: 'x', DB_USER: 'taskapp', DB_PASS: 'x' };
      const stack = newStack({ directory, env });
      await stack.compose('up', '-d', '--no-deps', 'db');

      await expect
        .poll(async () => (await stack.inspect('db')).RestartCount, { timeout: 30_000 })
        .toBeGreaterThan(0);
      const accepts = ['exec', '-T', 'db', 'pg_isready', '-h', '127.0.0.1'];
      await expect
        .poll(() => stack.compose(...accepts).catch(() => ''), { timeout: 30_000 })
        .toContain('accepting');
      const seen = new Set<string | undefined>();
      for (let n = 0; n < 12; n++) {
        seen.add((await stack.inspect('db')).State.Health?.Status);
        await new Promise((resolve) => setTimeout(resolve, 500));
      }
      expect(seen).not.toContain('healthy');
      expect(await stack.compose('logs', '--no-log-prefix', 'db')).toMatch(
        /ERROR: .*no_such_column/,
      );
    },
  );
});
