// More than the stack is used to: many requests, more than it can serve, slow clients, large
// bodies. Nothing may break or be lost. Only in the full form: a machine that is busy with other
// tests measures nothing.
//
// The clients use nginx's address on the frontend network. On the host, a published port goes
// through Docker's userland proxy, which would be measured too.
import { spawn, spawnSync } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { stripVTControlCharacters } from 'node:util';
import {
  afterAll,
  afterEach,
  beforeAll,
  describe,
  expect,
  inject,
  it,
  onTestFinished,
} from 'vitest';
import { type Call, Connection, Load, percentile, type Server } from '../lib/live.ts';
import { Production } from '../lib/production.ts';
import { docker } from '../lib/stack.ts';
import { full, measured } from './figures.ts';

const hasSlowClients = spawnSync('slowhttptest', ['-h']).error === undefined;

describe.skipIf(inject('notRunBecause') || !full)(
  'the production stack under load',
  { timeout: 400_000 },
  () => {
    let stack: Production;
    let server: Server;

    /** Requests at a rate for a while. */
    const load = async (
      options: Partial<ConstructorParameters<typeof Load>[0]>,
      ms: number,
    ): Promise<Load> => {
      const running = new Load({ ...server, ...options });
      await sleep(ms);
      await running.stop();
      return running;
    };

    beforeAll(async () => {
      stack = new Production();
      await stack.up();
      server = await stack.server();
      await load({ perSecond: 50, isMixed: true }, 3_000); // until Node has compiled its hot code
    });
    afterAll(() => stack.remove());

    afterEach(async () => {
      for (const service of ['web', 'api', 'db']) {
        for (const { State, RestartCount } of await stack.inspectAll(service)) {
          const isUnharmed = State.Status === 'running' && !State.OOMKilled && RestartCount === 0;
          if (!isUnharmed)
            throw new Error(
              `${service} was harmed: ${JSON.stringify(State)}, ${RestartCount} restarts`,
            );
        }
      }
    });

    const countTasks = async (condition = 'true') =>
      Number(await stack.sql(`SELECT count(*) FROM tasks WHERE ${condition}`));

    it('answers 300 mixed requests per second without an error', async () => {
      const before = await countTasks();
      const seconds = 300;
      const done = await load({ perSecond: 300, isMixed: true }, seconds * 1_000);
      expect(done.failures).toEqual([]);
      expect(done.unsent).toBe(0);
      expect(done.sent).toBeGreaterThanOrEqual(300 * seconds);
      expect(done.deleted).toBeGreaterThan(10 * seconds);
      expect(await countTasks()).toBe(before + done.acknowledged.length - done.deleted);
      const [p50, p99] = [percentile(done.times, 50), percentile(done.times, 99)];
      const figures = [
        `${done.sent} requests in ${seconds} s`,
        `p50 ${p50.toFixed(1)} ms`,
        `p99 ${p99.toFixed(1)} ms`,
        `slowest ${Math.round(done.slowestMs)} ms`,
      ];
      measured(figures.join(', '));
    });

    /** Requests per second over 64 connections that each wait for the answer. */
    const knee = async (seconds: number): Promise<number> => {
      let answered = 0;
      const until = performance.now() + seconds * 1_000;
      const client = async (_: unknown, worker: number) => {
        let connection = new Connection(server);
        for (let n = worker; performance.now() < until; n++, answered++) {
          // nginx closes a connection after 1 000 requests.
          if (!connection.isOpen) connection = new Connection(server);
          const call: Call =
            n % 5 === 0
              ? { method: 'POST', path: '/api/tasks', body: { title: `knee ${n}` } }
              : { method: 'GET', path: '/api/tasks?limit=5' };
          expect((await connection.send(call)).status).toBeLessThan(300);
        }
        connection.close();
      };
      await Promise.all(Array.from({ length: 64 }, client));
      return answered / seconds;
    };

    it('answers three times its capacity with 2xx, 429 or 503, and recovers in 10 s', async () => {
      // The client shares the machine. It can send three times what replicas of a quarter of a core
      // each can serve.
      const replicas = await stack.inspectAll('api');
      const limit = async (cpus: number) =>
        void (await docker('update', '--cpus', String(cpus), ...replicas.map(({ Id }) => Id)));
      await limit(0.25);
      onTestFinished(() => limit((replicas[0]?.HostConfig.NanoCpus ?? 0) / 1e9));
      const latency = async () => percentile((await load({ perSecond: 50 }, 3_000)).times, 95);
      const highest = await knee(5);
      const before = await latency();

      // An open loop: arrivals do not wait for answers. It has connections for more requests than
      // the stack takes at once, and sends nothing when all are busy. They are opened before,
      // because the handshakes of both sides would be a much lower limit of this machine.
      const connections: Connection[] = [];
      while (connections.length < 3_500) {
        const opened = Array.from({ length: 50 }, () => new Connection(server));
        await Promise.all(
          opened.map((connection) => connection.send({ method: 'GET', path: '/nginx-health' })),
        );
        connections.push(...opened);
      }
      const seconds = 60;
      const rows = await countTasks();
      const target = 3 * highest;
      const done = await load(
        {
          perSecond: target,
          connections,
          atOnce: connections.length,
          maxIdleMs: Infinity,
          accepted: [200, 201, 429, 503],
          isMixed: true,
        },
        seconds * 1_000,
      );
      const endedAt = performance.now();
      const seen =
        done.failures.length > 0 ? (await stack.logStreams('web')).stderr.slice(-4_000) : '';
      expect(
        done.failures.slice(0, 20),
        `${done.failures.length} failures; nginx: ${seen}`,
      ).toEqual([]);
      // Refused means not applied.
      expect(await countTasks()).toBe(rows + done.acknowledged.length - done.deleted);
      const served = (done.answers[200] ?? 0) + (done.answers[201] ?? 0);
      const refused = (done.answers[429] ?? 0) + (done.answers[503] ?? 0);
      expect(served).toBeGreaterThan(0);
      expect(refused).toBeGreaterThan(0);
      expect(done.sent).toBeGreaterThan(0.95 * target * seconds); // it was three times indeed

      const normal = Math.max(2 * before, 50);
      let after: number;
      do after = await latency();
      while (after > normal && performance.now() - endedAt < 10_000);
      const recovered = ((performance.now() - endedAt) / 1_000).toFixed(0);

      const perSecond = (count: number) => `${Math.round(count / seconds).toLocaleString('en')}/s`;
      const whole = (rate: number) => `${Math.round(rate).toLocaleString('en')}/s`;
      const offered = `offered ${perSecond(done.sent)} for ${seconds} s`;
      const answered = [
        `served ${perSecond(served)}`,
        `refused ${perSecond(refused)}`,
        `slowest ${(done.slowestMs / 1_000).toFixed(1)} s`,
      ];
      const p95 = [
        `p95 before ${before.toFixed(1)} ms`,
        `${recovered} s later ${after.toFixed(1)} ms`,
      ];
      measured(
        `capacity ${whole(highest)}, target ${whole(target)}, ${offered}: ` +
          `${answered.join(', ')}; ${p95.join(', ')}`,
      );
      expect(after).toBeLessThanOrEqual(normal);
    });

    const clients = 2_000;
    const slow = {
      'slow with their headers': ['-H', '-i', '3', '-x', '24'],
      'slow with their body': [
        '-B',
        '-i',
        '3',
        '-x',
        '10',
        '-s',
        '65536',
        '-f',
        'application/json',
      ],
      // It reads 32 bytes per second of a page that no socket buffer holds, 160 kB.
      'slow to read': ['-X', '-w', '512', '-y', '1024', '-n', '1', '-z', '32'],
    };

    it.for(Object.keys(slow) as (keyof typeof slow)[])(
      'serves others beside many clients that are %s',
      async (what, context) => {
        if (!hasSlowClients) {
          const reason = 'slowhttptest is not installed (Debian: apt-get install slowhttptest)';
          if (process.env.REQUIRE_DOCKER === '1' || process.env.CI) throw new Error(reason);
          return context.skip(reason);
        }
        if (what === 'slow to read')
          await stack.sql(`
            INSERT INTO tasks (title)
            SELECT n || repeat('x', 250) FROM generate_series(1, 500) n`);
        // slowhttptest has no option for other headers, but it sends the cookies as they are.
        const cookies = `a=b\r\nAuthorization: Bearer ${stack.token}`;
        const seconds = 14;
        const target = [
          '-u',
          `${server.url}/api/tasks?limit=500`,
          '-j',
          cookies,
          '-c',
          String(clients),
          '-r',
          '800',
          '-l',
          String(seconds),
          '-p',
          '20',
        ];
        const attack = spawn('slowhttptest', [...slow[what], ...target]);
        let output = '';
        attack.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
        const ended = new Promise((resolve) => attack.on('close', resolve));
        const normal = new Load({ ...server, perSecond: 50 });
        await ended;
        await normal.stop();

        const connected = Math.max(
          ...[...stripVTControlCharacters(output).matchAll(/connected:\s*(\d+)/g)].map(
            ([, count]) => Number(count),
          ),
        );
        expect(connected).toBeGreaterThan(0.9 * clients);
        const percent = 100 * (1 - normal.failures.length / normal.sent);
        expect([percent, ...normal.failures]).toEqual([
          expect.toSatisfy((successes: number) => successes >= 99.5),
          ...normal.failures,
        ]);
        const figures = [
          `${connected} slow clients`,
          `${normal.sent} other requests`,
          `${percent.toFixed(2)} % answered correctly`,
          `p99 ${Math.round(percentile(normal.times, 99))} ms`,
        ];
        measured(figures.join(', '));
      },
    );

    it('takes 100 bodies of 64 kB at once within its memory limits', async () => {
      const name = `large ${crypto.randomUUID()}`;
      const body = (n: number) => {
        const title = `${name} ${n}`;
        return {
          title,
          padding: 'x'.repeat(65_536 - JSON.stringify({ title, padding: '' }).length),
        };
      };
      const connections = Array.from({ length: 100 }, () => new Connection(server));
      const answers = await Promise.all(
        connections.map((connection, n) =>
          connection.send({ method: 'POST', path: '/api/tasks', body: body(n) }),
        ),
      );
      for (const connection of connections) connection.close();
      expect(answers.map(({ status }) => status)).toEqual(Array(100).fill(201));
      expect(await countTasks(`title LIKE '${name}%'`)).toBe(100);

      const peaks = [];
      for (const service of ['web', 'api']) {
        // cgroup v2, v1
        const files = '/sys/fs/cgroup/memory.peak /sys/fs/cgroup/memory/memory.max_usage_in_bytes';
        const read = `cat ${files} 2>/dev/null || true`;
        const peak = Number(await stack.compose('exec', '-T', service, 'sh', '-c', read));
        const { Memory } = (await stack.inspect(service)).HostConfig;
        expect(peak).toBeGreaterThan(0);
        expect(peak).toBeLessThan(Memory);
        peaks.push(`${service} ${Math.round(peak / 2 ** 20)} of ${Memory / 2 ** 20} MiB`);
      }
      measured(`all stored; highest memory use in any load test: ${peaks.join(', ')}`);
    });
  },
);
