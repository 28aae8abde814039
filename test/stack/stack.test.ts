// compose.yml alone, the architecture: what only the booted stack can prove.
import { existsSync } from 'node:fs';
import { request } from 'node:http';
import { connect } from 'node:net';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, inject, it, onTestFinished } from 'vitest';
import { verify } from '../../tools/verify/run.ts';
import { differences } from '../../tools/verify/test/expected.ts';
import { docker, postJson, Stack } from '../lib/stack.ts';

interface Task {
  id: number;
  title: string;
}

const seedTitles = [
  'Set up the development environment',
  'Learn Docker Compose',
  'Deploy to production',
  'Configure automated backups',
  'Write architecture documentation',
];
const requestId = /^[A-Za-z0-9_-]{16,64}$/;

describe.skipIf(inject('notRunBecause'))('compose.yml', () => {
  const stack = new Stack();
  beforeAll(() => stack.up());
  afterAll(() => stack.destroy());

  const tasks = async () => {
    const response = await stack.fetch('/api/tasks');
    expect(response.status).toBe(200);
    return ((await response.json()) as { tasks: Task[] }).tasks;
  };
  const create = async (title: string) => {
    const response = await stack.fetch('/api/tasks', postJson({ title }));
    expect(response.status).toBe(201);
    return ((await response.json()) as { task: Task }).task;
  };

  it('lists the five seed tasks in order through nginx', async () => {
    expect((await tasks()).map(({ id, title }) => [id, title])).toEqual(
      seedTitles.map((title, n) => [n + 1, title]),
    );
  });

  it('passes every check of npm run verify, the destructive too, and keeps its data', async () => {
    await create('survives');
    const before = await tasks();
    const project = stack.asProject({ mayRunScripts: true });
    const report = await verify(project, { destructive: true });
    expect(differences(report, [])).toEqual([]);
    const skipped = report.results
      .filter(({ outcome }) => outcome === 'skipped')
      .map(({ check }) => check.id);
    // There is no .env here, and no secret in the development files.
    const notHere = ['files.env-ignored', 'files.secrets-ignored', 'config.env-mode'];
    notHere.push('config.image-secrets', 'config.secret-files');
    notHere.push('database.published-passwords'); // this is not production
    expect(skipped.filter((id) => !notHere.includes(id))).toEqual([]);
    expect(await tasks()).toEqual(before);
  }, 240_000);

  it('publishes nginx and nothing else', async () => {
    const published = async (service: string) => {
      const { Ports } = (await stack.inspect(service)).NetworkSettings;
      return Object.entries(Ports).filter(([, bindings]) => bindings?.length);
    };
    expect((await published('web')).map(([port]) => port)).toEqual(['80/tcp']);
    expect(await published('api')).toEqual([]);
    expect(await published('db')).toEqual([]);
  });

  it.skipIf(!existsSync('/proc/net/if_inet6'))('answers by IPv4 and by IPv6', async () => {
    const { Ports } = (await stack.inspect('web')).NetworkSettings;
    const hosts = (Ports['80/tcp'] ?? []).map(({ HostIp, HostPort }) => [HostIp, HostPort]);
    expect(new Set(hosts.map(([ip]) => ip))).toEqual(new Set(['0.0.0.0', '::']));
    for (const [ip, port] of hosts) {
      const host = ip === '::' ? '[::1]' : '127.0.0.1';
      expect((await fetch(`http://${host}:${port}/healthz`)).status).toBe(200);
    }
  });

  it('has no route out of the backend network', async () => {
    expect(
      (await stack.compose('exec', 'db', 'sh', '-c', 'cat /proc/net/route')).split('\n')[1],
    ).not.toMatch(/^\w+\s+00000000\s/);
  });

  it('answers the commands of the course', async () => {
    const count = ['psql', '-U', 'taskapp', '-d', 'taskdb', '-c', 'SELECT COUNT(*) FROM tasks;'];
    expect(await stack.compose('exec', '-T', 'db', ...count)).toMatch(/\d+\n\(1 row\)/);
    expect(
      await stack.compose('exec', '-T', 'web', 'wget', '-qO-', 'http://api:8080/healthz'),
    ).toBe('{"status":"healthy"}');
    expect(
      await stack.compose('exec', '-T', 'web', 'wget', '-qO-', 'http://localhost/nginx-health'),
    ).toBe('healthy\n');
    expect(await stack.compose('exec', '-T', 'web', 'nginx', '-t')).toBe('');
  });

  describe('nginx', () => {
    it('answers /nginx-health itself, as text', async () => {
      const response = await stack.fetch('/nginx-health');
      expect([response.status, await response.text()]).toEqual([200, 'healthy\n']);
      expect(response.headers.get('content-type')).toBe('text/plain');
      const post = await stack.fetch('/nginx-health', { method: 'POST' });
      expect([post.status, post.headers.get('allow'), await post.json()]).toEqual([
        405,
        'GET, HEAD',
        { error: 'Method not allowed' },
      ]);
    });

    it('passes /healthz and / on to the API, and keeps /livez inside', async () => {
      const health = await stack.fetch('/healthz');
      expect([health.status, await health.text()]).toEqual([200, '{"status":"healthy"}']);
      const index = await stack.fetch('/');
      expect(await index.json()).toMatchObject({ application: 'Task API' });
      expect(index.headers.get('vary')).toContain('Accept');
      expect((await stack.fetch('/livez')).status).toBe(404);
    });

    it("compresses the documentation, and keeps the API's own policy on it only", async () => {
      const policy = async (path: string) =>
        (await stack.fetch(path)).headers.get('content-security-policy');
      const strictest = "default-src 'none'; frame-ancestors 'none'";
      const own = await policy('/api/docs');
      expect(own).toMatch(
        /^default-src 'none'; script-src 'self'; style-src 'self'; [^,]*frame-ancestors 'none'$/,
      ); // a comma would mean that it is sent twice
      for (const path of ['/api/docs/', '/api/tasks', '/healthz', '/nginx-health'])
        expect([path, await policy(path)]).toEqual([path, strictest]);
      const viewer = await stack.fetch('/api/docs/swagger-ui-bundle.js');
      expect([viewer.status, viewer.headers.get('content-encoding')]).toEqual([200, 'gzip']);
    });

    it('sends security headers once, on its own errors too, and no version', async () => {
      for (const path of [
        '/',
        '/index.html',
        '/app.js',
        '/nope.js',
        '/api/tasks',
        '/nope',
        '/nginx-health',
        '/livez',
        '/%ZZ',
      ]) {
        const { headers } = await stack.fetch(path);
        expect(headers.get('x-content-type-options')).toBe('nosniff');
        expect(headers.get('x-frame-options')).toBe('DENY');
        expect(headers.get('content-security-policy')).toContain("default-src 'none'");
        expect(headers.get('x-request-id')).toMatch(requestId);
        expect(headers.get('server')).toBe('nginx');
        expect(headers.get('x-powered-by')).toBeNull();
      }
    });

    it('answers its own errors in JSON', async () => {
      const large = await stack.fetch('/api/tasks', postJson({ title: 'x'.repeat(70_000) }));
      expect([large.status, await large.json()]).toEqual([
        413,
        { error: 'Request body is too large; the limit is 64 kB' },
      ]);
      const undecodable = await stack.fetch('/api/tasks/%ZZ');
      expect([undecodable.status, await undecodable.json()]).toEqual([
        400,
        { error: 'Bad request' },
      ]);
      const longHeader = await stack.fetch('/', { headers: { 'X-Long': 'x'.repeat(40_000) } });
      expect([longHeader.status, await longHeader.json()]).toEqual([
        431,
        { error: 'Request headers are too large' },
      ]);
      const longUri = await stack.fetch(`/${'x'.repeat(40_000)}`);
      expect([longUri.status, await longUri.json()]).toEqual([
        414,
        { error: 'Request URI is too long' },
      ]);
    });

    it.each([
      [
        'an unknown transfer encoding',
        'POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n',
        501,
        'Not implemented',
      ],
      [
        'an unknown version',
        'GET / HTTP/2.5\r\nHost: x\r\n\r\n',
        505,
        'HTTP version not supported',
      ],
      ['no Host', 'GET / HTTP/1.1\r\n\r\n', 400, 'Bad request'],
    ])('answers %s in JSON', async (_what, text, status, error) => {
      const { hostname, port } = new URL(await stack.url());
      const socket = connect(Number(port), hostname);
      let answer = '';
      socket.on('data', (chunk) => (answer += chunk.toString()));
      socket.write(text);
      await expect.poll(() => answer).toContain(JSON.stringify({ error }));
      expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
      socket.destroy();
    });

    it.each(['TRACE', 'FOO', 'PROPFIND'])('answers %s with 405, Allow and JSON', async (method) => {
      const { hostname, port } = new URL(await stack.url());
      const socket = connect(Number(port), hostname);
      let answer = '';
      socket.on('data', (chunk) => (answer += chunk.toString()));
      socket.write(`${method} /api/tasks HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
      await once(socket, 'close');
      expect(answer).toMatch(/^HTTP\/1\.1 405 /);
      expect(answer.match(/^Allow: .*GET.*$/gim)).toHaveLength(1);
      expect(answer).toContain('{"error":"Method not allowed"}');
    });

    it('compresses long JSON for those who accept it', async () => {
      for (let n = 0; n < 3; n++) await create(`compressed ${'x'.repeat(200)}`);
      const raw = (headers: Record<string, string>) =>
        new Promise<string | undefined>((resolve, reject) => {
          void stack.url().then((url) =>
            request(`${url}/api/tasks`, { headers }, (response) => {
              response.resume();
              resolve(response.headers['content-encoding']);
            })
              .on('error', reject)
              .end(),
          );
        });
      expect(await raw({ 'Accept-Encoding': 'gzip' })).toBe('gzip');
      expect(await raw({})).toBeUndefined();
    });

    it('takes a well-formed request id from the client; both tiers log it in JSON', async () => {
      const id = crypto.randomUUID();
      const response = await stack.fetch('/api/tasks?limit=1', {
        headers: { 'X-Request-Id': id, 'User-Agent': 'a"b\\c' },
      });
      expect(response.headers.get('x-request-id')).toBe(id);
      expect(response.headers.has('x-shared-by')).toBe(false); // for the log only
      const spoofed = await stack.fetch('/', { headers: { 'X-Request-Id': 'bad id" \\n' } });
      expect(spoofed.headers.get('x-request-id')).toMatch(/^[0-9a-f]{32}$/);
      const logOf = async (service: string) => {
        const lines = await stack.log(service);
        return lines
          .filter((line) => line.includes(id))
          .map((line) => JSON.parse(line) as Record<string, unknown>);
      };
      await expect
        .poll(() => logOf('web'), { timeout: 5_000 })
        .toMatchObject([
          {
            request_id: id,
            method: 'GET',
            uri: '/api/tasks?limit=1',
            status: 200,
            replica: (await stack.inspect('api')).Id.slice(0, 12),
            api_timing: expect.stringMatching(/^api;dur=[\d.]+, db;dur=[\d.]+$/),
            shared_by: '1',
            user_agent: 'a"b\\c',
          },
        ]);
      await expect
        .poll(() => logOf('api'))
        .toMatchObject([{ request_id: id, req: { method: 'GET' }, res: { status: 200 } }]);
    });
  });

  it('runs an API image of compiled code and production dependencies only', async () => {
    const find = ['find', '/app', '-path', '*/node_modules/*/*', '-prune', '-o', '-print'];
    const files = (await stack.compose('exec', '-T', 'api', ...find)).split('\n');
    expect(files).toContain('/app/api/dist/server.js');
    expect(files.filter((file) => file.endsWith('.ts'))).toEqual([]);
    expect(files).toContain('/app/node_modules/express');
    for (const name of ['typescript', 'vitest', '@types', '.bin/tsc'])
      expect(files).not.toContain(`/app/node_modules/${name}`);
    const { Config } = await stack.inspect('api');
    expect(Config.Cmd).toEqual(['node', 'dist/server.js']);
    expect(Config.Env).toContain('NODE_ENV=production');
    expect(Config.Env.join()).not.toContain('POSTGRES_PASSWORD'); // it does not need the owner's
  });

  it('follows the API to a new address, under requests, without a lasting 502', async () => {
    const before = await stack.address('api', 'frontend');
    const url = await stack.url();
    const statuses: { status: number; at: number }[] = [];
    let running = true;
    const load = (async () => {
      while (running) {
        const at = Date.now();
        const { status } = await fetch(`${url}/api/tasks?limit=1`, {
          signal: AbortSignal.timeout(20_000),
        });
        statuses.push({ status, at });
        await sleep(20);
      }
    })();
    await sleep(200);
    await stack.compose('rm', '--stop', '--force', 'api');
    // Another container takes the old address, as on a busy host.
    const image = (await stack.inspect('web')).Image;
    const network = `${stack.project}_frontend`;
    const run = (...options: string[]) =>
      docker('run', '-d', '--rm', '--network', network, ...options, image, '60');
    const sleeping = ['--entrypoint', 'sleep'];
    const squatter = await run('--ip', before, ...sleeping).catch(() => run(...sleeping));
    onTestFinished(() => docker('rm', '-f', squatter.trim()).then(() => undefined));
    await stack.compose('up', '-d', '--no-deps', '--wait', 'api');
    const healthyAt = Date.now();
    await sleep(5_000);
    running = false;
    await load;
    expect(await stack.address('api', 'frontend')).not.toBe(before);
    expect(statuses[0]?.status).toBe(200);
    // nginx looks the name up every 2 s.
    const late = statuses.filter(({ at }) => at > healthyAt + 3_000);
    expect(late.length).toBeGreaterThan(10);
    expect(late.filter(({ status }) => status !== 200)).toEqual([]);
  });

  it('answers 503 while the database is stopped, then 200 without an API restart', async () => {
    const before = await stack.inspect('api');
    await stack.compose('stop', 'db');
    const health = await stack.fetch('/healthz');
    expect([health.status, await health.json()]).toEqual([
      503,
      { status: 'unhealthy', reason: 'database unreachable' },
    ]);
    const list = await stack.fetch('/api/tasks');
    expect([list.status, await list.json()]).toEqual([
      503,
      { error: 'Database connection failed' },
    ]);
    expect(list.headers.get('retry-after')).toBe('1'); // once, although nginx has one of its own
    expect((await stack.fetch('/api/tasks', postJson({ title: 'x' }))).status).toBe(503);
    const ask = 'fetch("http://127.0.0.1:8080/livez").then((r) => r.text()).then(console.log)';
    const alive = await stack.compose('exec', '-T', 'api', 'node', '-e', ask);
    expect(alive.trim()).toBe('{"status":"alive"}');

    await stack.compose('start', 'db');
    await expect
      .poll(async () => (await stack.fetch('/healthz')).status, { timeout: 15_000, interval: 100 })
      .toBe(200);
    await create('after the outage');
    const after = await stack.inspect('api');
    expect([after.Id, after.RestartCount]).toEqual([before.Id, 0]);
  });

  it('answers 502 in JSON while the API is away', async () => {
    await stack.compose('stop', 'api');
    // At first nginx knows an address that takes no connection; then the name is gone.
    const answer = async () => {
      const response = await stack.fetch('/api/tasks');
      return [response.status, await response.json(), response.headers.get('retry-after')];
    };
    for (let n = 0; n < 5; n++) {
      expect(await answer()).toEqual([502, { error: 'The API does not answer' }, '1']);
      await sleep(700);
    }
    expect((await stack.fetch('/nginx-health')).status).toBe(200);
    expect((await stack.inspect('api')).State.ExitCode).toBe(0); // it ended on SIGTERM
    await stack.compose('up', '-d', '--wait', 'api');
    await expect
      .poll(async () => (await stack.fetch('/api/tasks')).status, { timeout: 20_000 })
      .toBe(200);
  });

  it('gives all rows back: dump, down -v, up, restore; and the API goes on working', async () => {
    const { id } = await create('in the dump');
    const before = await tasks();
    const inDb = ['exec', '-T', 'db'];
    const pgDump = ['pg_dump', '-Fc', '-U', 'taskapp', 'taskdb'];
    const pgRestore = ['pg_restore', '-U', 'taskapp', '-d', 'taskdb', '--clean'];
    const dump = stack.composeWithInput(Buffer.alloc(0), ...inDb, ...pgDump);
    await stack.compose('down', '--volumes');
    await stack.up();
    expect((await tasks()).map((task) => task.id)).toEqual([1, 2, 3, 4, 5]);
    stack.composeWithInput(dump, ...inDb, ...pgRestore);
    expect(await tasks()).toEqual(before);
    // The sequence came back as well.
    expect((await create('after the restore')).id).toBeGreaterThan(id);
    expect((await stack.fetch('/healthz')).status).toBe(200);
  });
});
