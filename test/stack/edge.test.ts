// nginx in front of a faulty API: what it retries, and what it tells the client.
import { readFileSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, inject, it, onTestFinished, vi } from 'vitest';
import { root } from '../lib/copy.ts';
import { newSecrets } from '../lib/production.ts';
import { docker } from '../lib/stack.ts';

const name = `taskapp-test-${crypto.randomUUID().slice(0, 8)}`;
const image = `${inject('images')}-web`;
const nodeImage = process.env.NODE_IMAGE ?? 'node:24-trixie-slim';
const notAnswered = { error: 'The API did not answer: a change may or may not have been stored' };
const notReached = { error: 'The API does not answer' };
const changes = ['POST', 'PUT', 'PATCH', 'DELETE'];

interface Nginx {
  id: string;
  ask: (path: string, init?: RequestInit) => Promise<Response>;
}

describe.skipIf(inject('notRunBecause'))('nginx', () => {
  /** A network with stand-ins for the API; removed after the tests of a block. */
  class Edge {
    readonly network = `${name}-${crypto.randomUUID().slice(0, 8)}`;
    readonly #containers: string[] = [];

    async create(): Promise<void> {
      await docker('network', 'create', this.network);
    }

    async remove(): Promise<void> {
      await docker('rm', '--force', '--volumes', ...this.#containers);
      await docker('network', 'rm', this.network);
    }

    async #run(...args: string[]): Promise<string> {
      const id = (await docker('run', '--detach', '--network', this.network, ...args)).trim();
      this.#containers.push(id);
      return id;
    }

    /** Starts a replica of the API that answers, or has this fault. Resolves when it listens. */
    async upstream(fault = ''): Promise<string> {
      const mount = ['--volume', `${join(root, 'test/lib/upstream.ts')}:/upstream.ts:ro`];
      const program = [nodeImage, 'node', '/upstream.ts', fault];
      const id = await this.#run('--network-alias', 'api', ...mount, ...program);
      const log = () => docker('logs', id);
      await vi.waitUntil(async () => (await log()).includes('listening'), { timeout: 20_000 });
      return id;
    }

    /** Starts a replica whose port is closed. */
    refusing(): Promise<string> {
      return this.#run('--network-alias', 'api', '--entrypoint', 'sleep', image, '600');
    }

    async nginx(env: Record<string, string> = {}, ...options: string[]): Promise<Nginx> {
      const settings = Object.entries(env).flatMap(([key, value]) => ['--env', `${key}=${value}`]);
      const ports = ['--publish', '127.0.0.1::80'];
      const sysctl = ['--sysctl', 'net.ipv4.ip_unprivileged_port_start=0'];
      const id = await this.#run(...ports, ...sysctl, ...settings, ...options, image);
      const port = (await docker('port', id, '80')).trim().split(':').at(-1);
      const ask: Nginx['ask'] = (path, init) =>
        fetch(`http://127.0.0.1:${port}${path}`, { signal: AbortSignal.timeout(20_000), ...init });
      const isUp = () =>
        ask('/nginx-health').then(
          ({ ok }) => ok,
          () => false,
        );
      await vi.waitUntil(isUp, { timeout: 20_000 });
      await sleep(4_000); // nginx answers before it has resolved the name api
      return { id, ask };
    }
  }

  /** How many requests these replicas received. */
  async function received(replicas: string[], request: string): Promise<number> {
    const logs = await Promise.all(replicas.map((id) => docker('logs', id)));
    return logs.flatMap((log) => log.split('\n')).filter((line) => line === request).length;
  }

  describe('before two replicas that carry a request out and do not answer', () => {
    const edge = new Edge();
    let replicas: string[];
    let ask: Nginx['ask'];
    beforeAll(async () => {
      await edge.create();
      replicas = await Promise.all([edge.upstream(), edge.upstream()]);
      ({ ask } = await edge.nginx());
    });
    afterAll(() => edge.remove());

    it.each(['no answer', 'a broken header'])(
      'sends no change a second time after %s, and says that nobody knows whether it is stored',
      async (fault) => {
        for (const method of changes) {
          const path = `/${fault.replaceAll(' ', '-')}`;
          const body = method === 'DELETE' ? {} : { body: '{"title":"x"}' };
          const response = await ask(`${path}?fault=${fault}`, { method, ...body });
          expect([method, response.status]).toEqual([method, 504]);
          expect(await response.json()).toEqual(notAnswered);
          expect(response.headers.get('retry-after')).toBeNull();
          expect([method, await received(replicas, `${method} ${path}`)]).toEqual([method, 1]);
        }
      },
    );

    it.each(['GET', 'HEAD'])('sends %s to the other one', async (method) => {
      const response = await ask('/reads?fault=no answer', { method });
      expect([response.status, response.headers.get('retry-after')]).toEqual([504, null]);
      expect(await received(replicas, `${method} /reads`)).toBe(2);
    });

    it('waits for a silent one once, also with a GET', async () => {
      const response = await ask('/silent?fault=silence');
      expect([response.status, await response.json()]).toEqual([504, notAnswered]);
      expect(await received(replicas, 'GET /silent')).toBe(1);
    });

    it('breaks an answer off that has begun, and asks nobody else', async () => {
      const text = ask('/half?fault=half an answer').then((response) => response.text());
      await expect(text).rejects.toThrow('terminated');
      expect(await received(replicas, 'GET /half')).toBe(1);
    });

    it('passes on what the API says itself', async () => {
      const response = await ask('/own?fault=its own 503');
      expect([response.status, await response.json()]).toEqual([503, { error: 'its own' }]);
      expect(await received(replicas, 'GET /own')).toBe(1);
    });

    it('promises that nothing was changed when all of them shut down', async () => {
      // The first request marks the replicas as failed, so the second one finds none.
      for (const method of [...changes, ...changes]) {
        const response = await ask('/leaving?fault=shutting down', { method });
        expect([method, response.status]).toEqual([method, 502]);
        expect(response.headers.get('retry-after')).toBe('1');
      }
    });
  });

  it.each(['takes no connection', 'shuts down'])(
    'sends every request to the other replica when one %s',
    async (fault) => {
      const edge = new Edge();
      onTestFinished(() => edge.remove());
      await edge.create();
      await (fault === 'shuts down' ? edge.upstream('shutting down') : edge.refusing());
      const replica = await edge.upstream();
      const sends = async (method: string) => {
        // A new one, because nginx avoids a failed replica for 10 s.
        const { id, ask } = await edge.nginx();
        for (const path of ['/one', '/two']) {
          // Round robin: one of the two meets the failed replica first.
          const body = changes.includes(method) ? { body: '{"title":"x"}' } : {};
          const response = await ask(path, { method, ...body });
          expect([method, path, response.status]).toEqual([method, path, 200]);
          expect(await received([replica], `${method} ${path}`)).toBe(1);
        }
        const log = () => docker('logs', id);
        await expect.poll(log, { timeout: 5_000 }).toMatch(/"upstream":"[^"]+(,| :) [^"]+"/);
      };
      await Promise.all(['GET', 'HEAD', ...changes].map(sends));
    },
  );

  it('says that nothing was changed when no replica is there, or takes a connection', async () => {
    const edge = new Edge();
    onTestFinished(() => edge.remove());
    await edge.create();
    const { ask } = await edge.nginx();
    const refused = async () => {
      for (const method of ['GET', ...changes]) {
        const response = await ask('/api/tasks', { method });
        expect([method, response.status, await response.json()]).toEqual([method, 502, notReached]);
        expect(response.headers.get('retry-after')).toBe('1');
      }
    };
    await refused();
    await edge.refusing();
    await sleep(3_000); // nginx resolves the name every 2 s
    await refused();
  });

  describe('with TLS', () => {
    const edge = new Edge();
    const secrets = newSecrets();
    let host: string;
    beforeAll(async () => {
      await edge.create();
      const files = { 'tls.crt': 'tls_certificate', 'tls.key': 'tls_key' };
      const volumes = Object.entries(files).flatMap(([file, to]) => [
        '--volume',
        `${secrets}/${file}:/run/secrets/${to}:ro`,
      ]);
      const { id } = await edge.nginx({ TLS: 'on' }, ...volumes);
      const address = '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}';
      host = (await docker('inspect', '--format', address, id)).trim();
    });
    afterAll(async () => {
      rmSync(secrets, { recursive: true });
      await edge.remove();
    });

    /** The answer to these bytes, until the connection ends. */
    async function raw(port: number, text: string): Promise<string> {
      const socket = connect(port, host);
      const chunks: Buffer[] = [];
      socket.on('data', (chunk: Buffer) => chunks.push(chunk));
      const { promise, resolve } = Promise.withResolvers<unknown>();
      // Once nginx has refused a long request, it reads no further: the connection may be reset.
      socket.on('error', () => {}).on('close', resolve);
      socket.write(text);
      await promise;
      return Buffer.concat(chunks).toString();
    }
    const end = 'Host: x\r\nConnection: close\r\n\r\n';
    const long = 'x'.repeat(40_000);
    const tooLarge = 'Request headers are too large';
    const notAllowed = 'Method not allowed';

    it.each([
      [80, 'GET /api/tasks', `GET /api/tasks HTTP/1.1\r\n${end}`, 308, 'Use HTTPS'],
      [80, 'no Host', 'GET / HTTP/1.1\r\nConnection: close\r\n\r\n', 400, 'Bad request'],
      [80, 'HTTP/1.0 without a Host', 'GET / HTTP/1.0\r\n\r\n', 400, 'Bad request'],
      [80, 'what is no HTTP', 'nonsense\r\n\r\n', 400, 'Bad request'],
      [80, 'a URI that cannot be decoded', `GET /%ZZ HTTP/1.1\r\n${end}`, 400, 'Bad request'],
      [80, 'TRACE', `TRACE / HTTP/1.1\r\n${end}`, 405, notAllowed],
      [80, 'POST /nginx-health', `POST /nginx-health HTTP/1.1\r\n${end}`, 405, notAllowed],
      [80, 'a long URI', `GET /${long} HTTP/1.1\r\n${end}`, 414, 'Request URI is too long'],
      [80, 'a long header', `GET / HTTP/1.1\r\nX: ${long}\r\n${end}`, 431, tooLarge],
      [80, 'an unknown version', `GET / HTTP/2.5\r\n${end}`, 505, 'HTTP version not supported'],
      [443, 'HTTP without TLS', `GET / HTTP/1.1\r\n${end}`, 400, 'Bad request'],
      [8081, 'an unknown path', `GET / HTTP/1.1\r\n${end}`, 404, 'Not found'],
      [8081, 'a POST', `POST /stub_status HTTP/1.1\r\n${end}`, 405, notAllowed],
      [8081, 'what is no HTTP', 'nonsense\r\n\r\n', 400, 'Bad request'],
    ])('port %i answers %s in JSON', async (port, _what, text, status, error) => {
      const answer = await raw(port, text);
      expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
      expect(answer).toMatch(/^Content-Type: application\/json\r$/m);
      expect(answer).toMatch(/^X-Request-Id: \w+\r$/m);
      expect(answer.endsWith(`\r\n\r\n${JSON.stringify({ error })}`)).toBe(true);
    });

    it('redirects to the name that the client has used, and to nothing else', async () => {
      const headers = ['Host: a.example', 'X-Forwarded-Host: evil.example', 'Connection: close'];
      const head = ['POST /api/tasks?a=b HTTP/1.1', ...headers].join('\r\n');
      const answer = await raw(80, `${head}\r\n\r\n`);
      expect(answer).toMatch(/^Location: https:\/\/a\.example\/api\/tasks\?a=b\r$/m);
      expect(answer).not.toContain('evil');
    });
  });

  it('sends the web page with the policy of content-security-policy.txt', async () => {
    const edge = new Edge();
    onTestFinished(() => edge.remove());
    await edge.create();
    const { ask } = await edge.nginx();
    const directives = readFileSync(join(root, 'nginx/content-security-policy.txt'), 'utf8');
    const policy = directives.trim().split('\n').join(' ');
    const page = await ask('/', { headers: { Accept: 'text/html' } });
    expect(page.headers.get('content-security-policy')).toBe(policy);
  });

  it('answers a range that a file of the page does not have in JSON', async () => {
    const edge = new Edge();
    onTestFinished(() => edge.remove());
    await edge.create();
    const { ask } = await edge.nginx();
    const response = await ask('/app.js', { headers: { Range: 'bytes=999999-' } });
    expect(response.status).toBe(416);
    expect(await response.json()).toEqual({ error: 'Range not satisfiable' });
    expect(response.headers.get('content-range')).toMatch(/^bytes \*\/\d+$/);
  });

  describe('behind a proxy', () => {
    const edge = new Edge();
    const trusted = '10.0.0.0/8 172.16.0.0/12,192.168.0.0/16';
    const claims = { 'X-Forwarded-For': '198.51.100.7, 203.0.113.9', 'X-Forwarded-Proto': 'https' };
    beforeAll(async () => {
      await edge.create();
      await edge.upstream();
    });
    afterAll(() => edge.remove());

    /** What nginx tells the API about the client. */
    async function told({ ask }: Nginx): Promise<unknown[]> {
      const response = await ask('/api/tasks', { headers: claims });
      const headers = (await response.json()) as Record<string, string>;
      const strict = response.headers.get('strict-transport-security');
      return [headers['x-forwarded-for'], headers['x-forwarded-proto'], strict];
    }

    it('that is trusted, takes the address and the scheme of the client from it', async () => {
      const nginx = await edge.nginx({ TRUSTED_PROXIES: trusted });
      // The last address: the client can fake those before it.
      expect(await told(nginx)).toEqual(['203.0.113.9', 'https', 'max-age=63072000']);
      const log = () => docker('logs', nginx.id);
      await expect.poll(log, { timeout: 5_000 }).toContain('"client":"203.0.113.9"');
    });

    it('limits each client of it by itself', async () => {
      const { ask } = await edge.nginx({ TRUSTED_PROXIES: trusted, RATE_LIMIT: '2' });
      const status = async (client: string) =>
        (await ask('/', { headers: { 'X-Forwarded-For': client } })).status;
      const many = Array.from({ length: 12 }, () => status('203.0.113.9'));
      expect(await Promise.all(many)).toContain(429);
      expect(await status('203.0.113.10')).toBe(200);
    });

    it('that is not trusted, or is only a client, believes nothing', async () => {
      for (const env of [{}, { TRUSTED_PROXIES: '203.0.113.0/24 198.51.100.0/24' }]) {
        const [client, scheme, strict] = await told(await edge.nginx(env));
        expect(client).not.toMatch(/^(198|203)\./);
        expect([scheme, strict]).toEqual(['http', null]);
      }
    });

    it.each(['*', '0.0.0.0/0', '::/0', 'proxy.example.org', '10.0.0.0/8;'])(
      'does not start with TRUSTED_PROXIES=%s, and says so in one line',
      async (value) => {
        const args = ['run', '--rm', '--env', `TRUSTED_PROXIES=${value}`, image];
        const message = `taskapp web: TRUSTED_PROXIES has '${value}'; use addresses or networks`;
        await expect(docker(...args)).rejects.toThrow(message);
      },
    );
  });
});
