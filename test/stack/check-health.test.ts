// scripts/check-health.sh, on a booted stack and on stand-ins for the commands of a server.
import { execFile, execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it, onTestFinished } from 'vitest';
import { root } from '../lib/copy.ts';
import { Stack } from '../lib/stack.ts';

interface Result {
  code: number;
  output: string;
  /** `name: status`, of each line. */
  lines: string[];
}

const directory = mkdtempSync(join(tmpdir(), 'taskapp-health-'));
afterAll(() => rmSync(directory, { recursive: true }));
let directories = 0;
function newDirectory(): string {
  const path = join(directory, `${++directories}`);
  mkdirSync(path);
  return path;
}

/** A directory with commands that replace those of the machine. */
function commands(bodies: Record<string, string>): string {
  const path = newDirectory();
  for (const [name, body] of Object.entries(bodies))
    writeFileSync(join(path, name), `#!/bin/sh\n${body}\n`, { mode: 0o755 });
  return path;
}

/** The name of a backup of so many hours ago. */
function backupName(hours: number): string {
  const time = new Date(Date.now() - hours * 3_600_000).toISOString();
  return `taskdb-${time.replaceAll(/[-:]|\.\d+/g, '')}.dump`;
}

/** Backups with the given ages in hours; those with `verified` have the sums of their tables. */
function backups(...list: { hours: number; verified: boolean }[]): string {
  const path = newDirectory();
  for (const { hours, verified } of list) {
    const dump = join(path, backupName(hours));
    writeFileSync(dump, 'PGDMP'); // the mtime is that of a copy
    if (verified)
      for (const suffix of ['sums', 'sha256']) writeFileSync(`${dump}.${suffix}`, 'sum');
    else writeFileSync(`${dump}.sha256`, 'sum'); // as scripts/restore-to-time.sh leaves it
  }
  return path;
}

// A healthy server, whatever the state of this machine is.
const well = {
  ufw: 'echo Status: active',
  'fail2ban-client': 'echo Server replied: pong',
  systemctl: 'case $1 in is-system-running) echo running ;; is-active) echo active ;; esac',
  df: 'echo Filesystem Blocks Used Available Capacity Mounted; echo /dev/x 1 1 1 50% /',
};

function check({
  args = [],
  env = {},
  server = well,
  path = process.env.PATH ?? '',
}: {
  args?: string[];
  env?: Record<string, string>;
  server?: Record<string, string>;
  path?: string;
}): Promise<Result> {
  const all = {
    ...process.env,
    NO_COLOR: '',
    BACKUP_DIR: backups({ hours: 1, verified: true }),
    ...env,
    PATH: `${commands(server)}:${path}`,
  };
  const { promise, resolve } = Promise.withResolvers<Result>();
  // From another directory, because the script finds its own.
  execFile(
    join(root, 'scripts/check-health.sh'),
    args,
    { cwd: tmpdir(), env: all },
    (error, output) => {
      const lines = [...output.matchAll(/^ {2}\[(\w+)\] +(.*?): /gm)].map(
        ([, status, name]) => `${name}: ${status}`,
      );
      resolve({ code: error ? Number(error.code) : 0, output, lines });
    },
  );
  return promise;
}

describe.skipIf(inject('notRunBecause'))('check-health.sh on a booted stack', () => {
  const stack = new Stack();
  const env = { ...stack.env, COMPOSE_PROJECT_NAME: stack.project, COMPOSE_FILE: 'compose.yml' };
  beforeAll(() => stack.up());
  afterAll(() => stack.destroy());

  it('says OK of every container, endpoint and part of the machine, without colours', async () => {
    const { code, output, lines } = await check({ env });
    expect(
      output
        .replace(/ of Docker: .*\n/, '')
        .split('\n')
        .slice(0, 8),
    ).toEqual([
      'Containers',
      '  [OK]   api-1: running, healthy',
      '  [OK]   db-1: running, healthy',
      '  [OK]   web-1: running, healthy',
      'Endpoints',
      `  [OK]   /nginx-health: 200 from ${await stack.url()}`,
      `  [OK]   /healthz: 200 from ${await stack.url()}`,
      `  [OK]   /api/tasks?limit=1: 200 from ${await stack.url()}`,
    ]);
    expect(lines.slice(6, 14)).toEqual([
      'docker: OK',
      'ufw: OK',
      'fail2ban: OK',
      'backup timer: OK',
      'newest backup: OK',
      'certificate: SKIP',
      'settings: SKIP',
      'disk of the repository: OK',
    ]);
    expect(lines.slice(-4)).toEqual([
      'schema: OK',
      'tasks_id_seq: OK',
      'password of the owner: OK',
      'published passwords: SKIP',
    ]);
    expect(output).toMatch(/\n0 failed\n$/);
    expect(output).not.toContain('\u001B');
    expect(code).toBe(0);
  });

  const program = execFileSync('sh', ['-c', 'command -v docker || true']).toString().trim();
  const real = `"${program}" "$@"`;
  it.each([
    ['an array, as before Compose 2.21', `{ echo '['; ${real} | sed '$!s/$/,/'; echo ']'; }`],
    ['an object for each line, as since then', real],
  ])('says the same when docker compose ps prints %s', async (_, ps) => {
    const docker = `case "$*" in *compose*ps*json*) ${ps} ;; *) exec ${real} ;; esac`;
    const { code, lines } = await check({ env, server: { ...well, docker } });
    expect(lines.slice(0, 3)).toEqual(['api-1: OK', 'db-1: OK', 'web-1: OK']);
    expect(code).toBe(0);
  });

  it('prints JSON for machines', async () => {
    const { code, output } = await check({
      env,
      args: ['--json'],
      server: { ...well, ufw: String.raw`printf 'a "quoted" back\\slash\n'` },
    });
    const { failures, checks } = JSON.parse(output) as {
      failures: number;
      checks: Record<string, string>[];
    };
    expect(failures).toBe(1);
    expect(code).toBe(1);
    expect(checks[0]).toEqual({
      section: 'Containers',
      name: 'api-1',
      status: 'OK',
      detail: 'running, healthy',
    });
    expect(checks).toContainEqual({
      section: 'System',
      name: 'ufw',
      status: 'FAIL',
      detail: 'a "quoted" back\\slash',
    });
  });

  it('uses colours on a terminal', async () => {
    const terminal = { ...process.env, ...env, NO_COLOR: '' };
    const { promise, resolve } = Promise.withResolvers<string>();
    const line = `'${join(root, 'scripts/check-health.sh')}'`;
    execFile(
      'script',
      ['--quiet', '--return', '--command', line, '/dev/null'],
      { env: terminal },
      (_, output) => resolve(output),
    );
    expect(await promise).toContain('\u001B[32m[OK]  \u001B[0m api-1');
  });

  it('fails when a replica is missing, also when Compose warns of something', async () => {
    const file = join(newDirectory(), 'compose.yml');
    writeFileSync(file, 'version: "3"\nservices: { api: { deploy: { replicas: 2 } } }\n');
    const { lines, output, code } = await check({
      env: { ...env, COMPOSE_FILE: `compose.yml:${file}` },
    });
    expect(lines.slice(0, 4)).toEqual(['api-1: OK', 'db-1: OK', 'web-1: OK', 'api: FAIL']);
    expect(output).toContain('api: 1 of 2 containers; start it');
    expect(code).toBe(1);
  });

  it('has a line for each replica, and sees the one that is not healthy', async () => {
    await stack.compose('up', '-d', '--no-build', '--no-recreate', '--scale', 'api=2', '--wait');
    try {
      const { lines, code } = await check({ env });
      expect(lines.slice(0, 4)).toEqual(['api-1: OK', 'api-2: OK', 'db-1: OK', 'web-1: OK']);
      expect(code).toBe(0);
      const second = (await stack.compose('ps', '--quiet', 'api')).trim().split('\n');
      for (const id of second.slice(0, 1)) execFileSync('docker', ['stop', '--time', '10', id]);
      const after = await check({ env });
      expect(after.lines.slice(0, 4).filter((line) => line.endsWith('FAIL'))).toHaveLength(1);
    } finally {
      await stack.compose('up', '-d', '--no-build', '--no-recreate', '--scale', 'api=1', '--wait');
    }
  });

  it('names what a database that is older than the code lacks, and what mends it', async () => {
    const schema = async () => (await check({ env })).output.match(/schema: .*/)?.[0];
    await stack.sql('ALTER TABLE idempotency_keys RENAME TO elsewhere');
    await stack.sql('ALTER INDEX tasks_title_search RENAME TO search_elsewhere');
    try {
      const { lines, output } = await check({ env });
      expect(lines).toContain('/healthz: FAIL');
      const both = 'idempotency_keys, tasks_title_search';
      const mends = 'docker compose run --rm migrate runs them';
      expect(output).toContain(`schema: lacks ${both}, although it has had all`);
      expect(output).toContain('docker compose run --rm migrate --again runs them again');
      await stack.sql('ALTER TABLE elsewhere RENAME TO idempotency_keys');
      await stack.sql('ALTER TABLE dbmate.schema_migrations RENAME TO elsewhere');
      expect(await schema()).toContain(
        `lacks tasks_title_search and has not had any of db/migrations; ${mends}`,
      );
      await stack.sql('ALTER TABLE dbmate.elsewhere RENAME TO schema_migrations');
      await stack.sql('ALTER INDEX search_elsewhere RENAME TO tasks_title_search');
      await stack.sql('ALTER TABLE idempotency_keys RENAME task_id TO elsewhere');
      expect(await schema()).toContain('lacks column idempotency_keys.task_id, although');
      const [last] = (
        await stack.sql(`
        DELETE FROM dbmate.schema_migrations
        WHERE version = (SELECT max(version) FROM dbmate.schema_migrations) RETURNING version`)
      ).split('\n');
      expect(await schema()).toContain(`and has not had ${last} of db/migrations; ${mends}`);
      await stack.sql(`INSERT INTO dbmate.schema_migrations VALUES ('${last}')`);
    } finally {
      await stack.sql('ALTER TABLE idempotency_keys RENAME elsewhere TO task_id');
    }
    expect(await schema()).toBe('schema: has what db/init makes');
  });

  it('names the sequence that is behind the rows, and what sets it right', async () => {
    await stack.sql(`INSERT INTO tasks (id, title) VALUES (1000, 'imported')`);
    try {
      const { lines, output, code } = await check({ env });
      expect(lines).toContain('tasks_id_seq: FAIL');
      expect(output).toContain('so new tasks fail; docker compose run --rm migrate sets');
      expect(code).toBe(1);
    } finally {
      await stack.sql('DELETE FROM tasks WHERE id = 1000');
    }
    expect((await check({ env })).lines).toContain('tasks_id_seq: OK');
  });

  it('fails three times when the API is stopped: its container and two endpoints', async () => {
    await stack.compose('stop', 'api');
    try {
      const { code, lines, output } = await check({ env });
      expect(lines.filter((line) => line.endsWith('FAIL'))).toEqual([
        'api-1: FAIL',
        '/healthz: FAIL',
        '/api/tasks?limit=1: FAIL',
      ]);
      expect(output).toContain('api-1: exited, exit code 0; see docker compose logs api');
      expect(output).toContain('/healthz: 502 from');
      expect(code).toBe(3);
    } finally {
      await stack.compose('start', 'api');
    }
  });

  it('fails for each service and the endpoints when nothing was started', async () => {
    const { code, lines, output } = await check({
      env: { ...env, COMPOSE_PROJECT_NAME: `${stack.project}-none` },
    });
    expect(
      lines.filter((line) => line.endsWith('FAIL')).toSorted((a, b) => a.localeCompare(b)),
    ).toEqual(['api: FAIL', 'db: FAIL', 'endpoints: FAIL', 'web: FAIL']);
    expect(output).toContain('api: 0 of 1 containers; start it with docker compose up -d');
    expect(code).toBe(4);
  });

  it('says what Compose says when its files are wrong', async () => {
    const { lines, output } = await check({ env: { ...env, COMPOSE_FILE: 'no-such-file.yml' } });
    expect(lines[0]).toBe('containers: FAIL');
    expect(output).toContain('no-such-file.yml');
  });
});

describe('check-health.sh without an engine', () => {
  const shell = 'bash sh env find timeout sort sed awk curl stat date mktemp rm head tail tr cat';
  const needed = [...shell.split(' '), 'dirname', 'openssl', 'df'];
  const without = (...names: string[]) => {
    const path = newDirectory();
    for (const name of needed.filter((other) => !names.includes(other))) {
      symlinkSync(
        execFileSync('sh', ['-c', `command -v ${name}`])
          .toString()
          .trim(),
        join(path, name),
      );
    }
    return path;
  };

  it('fails once when docker is missing, and says what it could not check for that', async () => {
    const { code, lines, output } = await check({ path: without() });
    expect(lines.slice(0, 3)).toEqual(['containers: SKIP', 'endpoints: SKIP', 'docker: FAIL']);
    expect(output).toContain('docker: docker is not installed; scripts/provision.sh installs it');
    expect(code).toBe(1);
  });

  it('fails when the engine does not answer', async () => {
    const { code, output } = await check({
      server: { ...well, docker: 'echo Cannot connect to the Docker daemon >&2; exit 1' },
    });
    expect(output).toContain(
      '[FAIL] docker: the engine does not answer: Cannot connect to the Docker daemon',
    );
    expect(code).toBe(1);
  });

  it('fails when curl is missing, because then nothing is known of the endpoints', async () => {
    const { lines, code } = await check({ path: without('curl') });
    expect(lines).toContain('endpoints: FAIL');
    expect(code).toBe(2);
  });

  const docker = 'exit 1';
  const counted = async (server: Record<string, string>, env: Record<string, string> = {}) => {
    const { code, output } = await check({ server: { ...well, docker, ...server }, env });
    const of = (name: string) =>
      output.split('\n').find((line) => line.replace(/ +/g, ' ').includes(`] ${name}: `)) ?? '';
    return { failures: code - 1, of }; // one is docker
  };

  it.each([
    ['[FAIL] ufw: inactive; scripts/provision.sh enables it', { ufw: 'echo Status: inactive' }],
    [
      '[SKIP] ufw: only root can see its state',
      { ufw: 'echo ERROR: You need to be root to run this script >&2; exit 1' },
    ],
    [
      '[FAIL] fail2ban: Failed to',
      { 'fail2ban-client': 'echo Failed to access socket path. Is fail2ban running?; exit 255' },
    ],
    [
      '[SKIP] fail2ban: only root can',
      { 'fail2ban-client': 'echo "Permission denied to socket (you must be root)"; exit 255' },
    ],
    ['[SKIP] backup timer: systemd does not run here', { systemctl: 'echo offline; exit 1' }],
    [
      '[SKIP] backup timer: taskapp-backup.timer is not installed',
      { systemctl: 'case $1 in cat) exit 1 ;; *) echo running ;; esac' },
    ],
    [
      '[FAIL] backup timer: inactive; start',
      { systemctl: 'case $1 in is-active) echo inactive; exit 3 ;; *) echo running ;; esac' },
    ],
    [
      '[FAIL] disk of the repository: 95 % used, the limit is 90 %',
      { df: 'echo a b c d e f; echo /dev/x 1 1 1 95% /' },
    ],
  ])('prints %s', async (line, server) => {
    const { failures, of } = await counted(server);
    expect(of(line.replace(/^\[\w+\] (.*?):.*/, '$1')).replace(/ +/g, ' ')).toContain(line);
    expect(failures > 0).toBe(line.startsWith('[FAIL]'));
  });

  it('looks at the newest verified backup only', async () => {
    const newest = async (BACKUP_DIR: string) =>
      (await counted({}, { BACKUP_DIR })).of('newest backup');
    expect(
      await newest(backups({ hours: 25, verified: true }, { hours: 40, verified: true })),
    ).toMatch(/\[OK\].*taskdb-\w+\.dump$/);
    expect(
      await newest(backups({ hours: 1, verified: false }, { hours: 27, verified: true })),
    ).toMatch(/\[FAIL\].*taskdb-\w+\.dump is older than 26 hours/);
    expect(await newest(backups({ hours: 1, verified: false }))).toMatch(
      /\[FAIL\].*no verified one/,
    );
    expect(await newest(backups())).toMatch(/\[FAIL\].*no verified one/);
    const { of } = await counted(
      { systemctl: 'echo offline' },
      { BACKUP_DIR: join(directory, 'none') },
    );
    expect(of('newest backup')).toContain('[SKIP]');
  });

  async function listen(server: Server): Promise<string> {
    await new Promise<void>((resolve) => {
      server.listen(0, '127.0.0.1', resolve);
    });
    onTestFinished(() => {
      server.closeAllConnections();
      server.close();
    });
    return `127.0.0.1:${(server.address() as AddressInfo).port}`;
  }
  const application: RequestListener = ({ url, headers }, response) => {
    if (url === '/nginx-health') response.end('healthy\n');
    else if (url === '/healthz') response.end('{"status":"healthy"}');
    else if (headers.authorization === 'Bearer the-token') response.end('{"tasks":[]}');
    else response.writeHead(401).end('{"error":"Unauthorized"}');
  };
  const endpoints = async (url: string, env: Record<string, string>) => {
    const { lines, output } = await check({
      args: ['--url', url],
      env,
      server: { ...well, docker },
    });
    return { lines: lines.slice(1, 4), output };
  };

  it('sends the API token where one is asked for, and skips when it may not read it', async () => {
    const url = `http://${await listen(createServer(application))}`;
    const secrets = newDirectory();
    expect((await endpoints(url, { SECRETS_DIR: secrets })).lines).toEqual([
      '/nginx-health: OK',
      '/healthz: OK',
      '/api/tasks?limit=1: SKIP',
    ]);
    writeFileSync(join(secrets, 'api_token'), 'the-token\nthe-old-token\n');
    expect((await endpoints(url, { SECRETS_DIR: secrets })).lines[2]).toBe(
      '/api/tasks?limit=1: OK',
    );
    writeFileSync(join(secrets, 'api_token'), 'another');
    const { lines, output } = await endpoints(url, { SECRETS_DIR: secrets });
    expect(lines[2]).toBe('/api/tasks?limit=1: FAIL');
    expect(output).toContain('401 from');
    expect(output).not.toContain('another');
  });

  it('fails for a wrong body, an error, silence and a refused connection', async () => {
    const wrong: RequestListener = ({ url }, response) => {
      if (url === '/nginx-health') response.end('Welcome to nginx!');
      else if (url === '/healthz')
        response.writeHead(503).end('{"status":"unhealthy","reason":"database unreachable"}');
    };
    const { lines, output } = await endpoints(`http://${await listen(createServer(wrong))}`, {});
    expect(lines).toEqual(['/nginx-health: FAIL', '/healthz: FAIL', '/api/tasks?limit=1: FAIL']);
    expect(output).toContain('503 from');
    expect(output).toContain('database unreachable');
    expect(output).toMatch(/no answer from .*timed out/);
    expect((await endpoints('http://127.0.0.1:1', {})).lines).toEqual(lines);
  });

  /** A certificate for so many days, signed by itself. */
  function selfSigned(days: number): { key: Buffer; cert: Buffer } {
    const [key, cert] = [join(newDirectory(), 'key'), join(newDirectory(), 'cert')];
    const kind = ['-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
    const files = ['-keyout', key, '-out', cert];
    execFileSync('openssl', ['req', ...kind, '-subj', '/CN=x', '-days', `${days}`, ...files], {
      stdio: 'pipe',
    });
    return { key: readFileSync(key), cert: readFileSync(cert) };
  }

  it('sends the API token over TLS only to the server with our certificate', async () => {
    const theirs = selfSigned(30);
    const tokens: string[] = [];
    const listener: RequestListener = (request, response) => {
      if (request.headers.authorization) tokens.push(request.headers.authorization);
      application(request, response);
    };
    const url = `https://${await listen(createTlsServer(theirs, listener))}`;
    const secrets = newDirectory();
    writeFileSync(join(secrets, 'api_token'), 'the-token');
    writeFileSync(join(secrets, 'tls.crt'), selfSigned(30).cert);
    const refused = await endpoints(url, { SECRETS_DIR: secrets });
    expect(refused.lines[2]).toBe('/api/tasks?limit=1: FAIL');
    expect(refused.output).toContain('certificate');
    expect(tokens).toEqual([]);
    writeFileSync(join(secrets, 'tls.crt'), theirs.cert);
    const { lines } = await endpoints(url, { SECRETS_DIR: secrets });
    expect(lines[2]).toBe('/api/tasks?limit=1: OK');
    expect(tokens).toEqual(['Bearer the-token']);
  });

  it.each([
    [30, 'OK'],
    [13, 'FAIL'],
  ])('takes a self-signed certificate; one for %i more days is %s', async (days, status) => {
    const url = `https://${await listen(createTlsServer(selfSigned(days), application))}`;
    const { lines } = await check({ args: ['--url', url], server: { ...well, docker } });
    expect(lines.slice(1, 3)).toEqual(['/nginx-health: OK', '/healthz: OK']);
    expect(lines).toContain(`certificate: ${status}`);
  });

  it('refuses arguments it does not know', async () => {
    expect((await check({ args: ['--wat'] })).code).toBe(125);
    expect(await check({ args: ['--help'] })).toMatchObject({
      code: 0,
      output: expect.stringContaining('Usage:') as string,
    });
  });
});
