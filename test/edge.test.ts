// nginx alone, before an API that has faults: what it sends again, and what it tells the client.
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, inject, it, onTestFinished, vi } from 'vitest';
import { root } from './copy.ts';
import { docker } from './stack.ts';

const name = `taskapp-test-${crypto.randomUUID().slice(0, 8)}`;
const nodeImage = process.env.NODE_IMAGE ?? 'node:24-trixie-slim';
const notAnswered = { error: 'The API did not answer: a change may or may not be stored' };
const notReached = { error: 'The API does not answer' };
const changes = ['POST', 'PUT', 'PATCH', 'DELETE'];

interface Nginx {
  id: string;
  ask: (path: string, init?: RequestInit) => Promise<Response>;
}

describe.skipIf(inject('notRunBecause'))('nginx', () => {
  beforeAll(async () => {
    await docker('build', '--quiet', '--file', `${root}/nginx/Dockerfile`, '--tag', name, root);
  });
  afterAll(() => docker('image', 'rm', '--force', name));

  /** A network with what nginx takes for the API; removed after the tests of a block. */
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

    /** A replica of the API that answers. Resolves when it does. */
    async upstream(): Promise<string> {
      const mount = ['--volume', `${join(root, 'test/upstream.ts')}:/upstream.ts:ro`];
      const id = await this.#run('--network-alias', 'api', ...mount, nodeImage, 'node', '/upstream.ts');
      const log = () => docker('logs', id);
      await vi.waitUntil(async () => (await log()).includes('listening'), { timeout: 20_000 });
      return id;
    }

    /** One whose port is shut. */
    refusing(): Promise<string> {
      return this.#run('--network-alias', 'api', '--entrypoint', 'sleep', name, '600');
    }

    async nginx(env: Record<string, string> = {}): Promise<Nginx> {
      const settings = Object.entries(env).flatMap(([key, value]) => ['--env', `${key}=${value}`]);
      const ports = ['--publish', '127.0.0.1::80', '--sysctl', 'net.ipv4.ip_unprivileged_port_start=0'];
      const id = await this.#run(...ports, ...settings, name);
      const port = (await docker('port', id, '80')).trim().split(':').at(-1);
      const ask: Nginx['ask'] = (path, init) =>
        fetch(`http://127.0.0.1:${port}${path}`, { signal: AbortSignal.timeout(20_000), ...init });
      const isUp = () => ask('/nginx-health').then(({ ok }) => ok, () => false);
      await vi.waitUntil(isUp, { timeout: 20_000 });
      await sleep(1_000); // it answers before it has looked up the name api
      return { id, ask };
    }
  }

  /** How often these replicas have received a request. */
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
      const response = await ask('/own?fault=its own 502');
      expect([response.status, await response.json()]).toEqual([502, { error: 'its own' }]);
      expect(await received(replicas, 'GET /own')).toBe(1);
    });
  });

  it('sends every request to the other replica when one takes no connection', async () => {
    const edge = new Edge();
    onTestFinished(() => edge.remove());
    await edge.create();
    await edge.refusing();
    const replica = await edge.upstream();
    for (const method of ['GET', 'HEAD', ...changes]) {
      const { id, ask } = await edge.nginx(); // another one has left the shut port out for 10 s
      for (const path of ['/one', '/two']) {
        // In turn: one of the two meets the shut port first.
        const body = changes.includes(method) ? { body: '{"title":"x"}' } : {};
        const response = await ask(path, { method, ...body });
        expect([method, path, response.status]).toEqual([method, path, 200]);
        expect(await received([replica], `${method} ${path}`)).toBe(1);
      }
      const log = () => docker('logs', id);
      await expect.poll(log, { timeout: 5_000 }).toMatch(/"upstream":"[^"]+ : [^"]+"/);
    }
  });

  it('says that nothing was changed when no replica takes a connection, or none is there', async () => {
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
    await sleep(3_000); // nginx asks for the name every 2 s
    await refused();
  });
});
