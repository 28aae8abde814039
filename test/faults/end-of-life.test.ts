// Each tier is told to end while it works: it finishes what it began and exits with 0. And
// connections that time out between two requests: a sender must never meet a closing connection.
// Only in the full form.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect as tlsConnect } from 'node:tls';
import { afterAll, beforeAll, describe, expect, inject, it, onTestFinished } from 'vitest';
import { type Answer, Connection, Load, type Server } from '../lib/live.ts';
import { Production } from '../lib/production.ts';
import { docker, type Inspection, psql } from '../lib/stack.ts';
import { full, measured } from './figures.ts';

describe.skipIf(inject('notRunBecause') || !full)('the end of a tier', { timeout: 300_000 }, () => {
  let stack: Production;

  beforeAll(async () => {
    stack = new Production();
    await stack.up();
  });
  afterAll(() => stack.remove());

  /** One replica, past nginx. */
  const replica = ({ NetworkSettings }: Inspection): Server => ({
    url: `http://${NetworkSettings.Networks[`${stack.project}_frontend`]?.IPAddress}:8080`,
    headers: { Authorization: `Bearer ${stack.token}` },
  });

  /** Locks task 1, as a slow statement does. Resolves with the function that ends this. */
  const lockTask = async (): Promise<() => void> => {
    const { Id } = await stack.inspect('db');
    const session = spawn('docker', ['exec', '--interactive', Id, ...psql()]);
    session.stdin.write("BEGIN; UPDATE tasks SET status = 'locked' WHERE id = 1 RETURNING id;\n");
    await once(session.stdout, 'data'); // it has the lock
    return () => void session.stdin.end('COMMIT;\n');
  };

  /** What a server has in hand when it is told to end. It has to answer all of it. */
  const work = async (server: Server, name: string) => {
    const idle = Array.from({ length: 10 }, () => new Connection(server));
    await Promise.all(
      idle.map((connection) => connection.send({ method: 'GET', path: '/api/tasks?limit=1' })),
    );
    const half = await halfSent(server, `${name} in two parts`);
    const unlock = await lockTask();
    const busy = Array.from({ length: 5 }, () => new Connection(server));
    const slow = busy.map((connection, n) =>
      connection.send({ method: 'PATCH', path: '/api/tasks/1', body: { title: `${name} ${n}` } }),
    );
    return { idle, half, slow, unlock };
  };

  /** A POST whose body has not arrived completely. */
  const halfSent = async ({ url, headers, ca }: Server, title: string) => {
    const { hostname, port } = new URL(url);
    const socket = ca
      ? tlsConnect({ host: hostname, port: 443, ca, servername: 'localhost' })
      : connect(Number(port), hostname);
    await once(socket, ca ? 'secureConnect' : 'connect');
    const body = JSON.stringify({ title });
    const head = Object.entries({
      Host: 'localhost',
      ...headers,
      'Content-Type': 'application/json',
      'Content-Length': body.length,
    });
    const lines = head.map(([key, value]) => `${key}: ${value}\r\n`).join('');
    socket.write(`POST /api/tasks HTTP/1.1\r\n${lines}\r\n${body.slice(0, 10)}`);
    return async (): Promise<string> => {
      socket.write(body.slice(10));
      const [answer] = (await once(socket, 'data')) as [Buffer];
      socket.destroy();
      return answer.toString();
    };
  };

  /** `docker stop`: how long it took, and how the container ended. */
  const stop = async (id: string) => {
    const startedAt = performance.now();
    await docker('stop', id);
    const seconds = (performance.now() - startedAt) / 1_000;
    return {
      seconds,
      exitCode: Number(await docker('inspect', '--format', '{{.State.ExitCode}}', id)),
    };
  };

  const areUnderWay = async (answers: Promise<unknown>[]) =>
    (await Promise.race([...answers, sleep(0, 'none')])) === 'none';

  const rows = async (title: string) =>
    Number(await stack.sql(`SELECT count(*) FROM tasks WHERE title = '${title}'`));

  it('finishes what an API process has in hand on SIGTERM, and exits with 0', async () => {
    const [container] = await stack.inspectAll('api');
    if (!container) throw new Error('no replica');
    const running = new Load(await stack.server());
    onTestFinished(() => running.stop());
    const direct = await work(replica(container), 'direct');
    const proxied = Array.from({ length: 5 }, (_, n) =>
      stack.https('/api/tasks/1', {
        method: 'PATCH',
        body: `{"title":"proxied ${n}"}`,
        headers: { 'Content-Type': 'application/json' },
      }),
    );
    await sleep(300); // until they wait for the lock, at most 2 s
    const stopped = stop(container.Id);
    await sleep(300); // until it was told
    expect(await areUnderWay([...direct.slow, ...proxied])).toBe(true);
    direct.unlock();
    expect(await direct.half()).toMatch(/^HTTP\/1\.1 201 /);
    // A client that cannot know yet still gets an answer.
    const late = await direct.idle[0]?.send({ method: 'GET', path: '/api/tasks?limit=1' });
    expect([late?.status, late?.head]).toEqual([200, expect.stringContaining('Connection: close')]);
    expect((await Promise.all(direct.slow)).map(({ status }) => status)).toEqual([
      200, 200, 200, 200, 200,
    ]);
    expect((await Promise.all(proxied)).map(({ status }) => status)).toEqual([
      200, 200, 200, 200, 200,
    ]);

    const { seconds, exitCode } = await stopped;
    await sleep(1_000); // the other replica alone
    await running.stop();
    expect(running.failures).toEqual([]);
    expect(exitCode).toBe(0);
    expect(seconds).toBeLessThan(25);
    expect(direct.idle.filter(({ isOpen }) => isOpen)).toEqual([]);
    expect(await rows('direct in two parts')).toBe(1);
    expect(await stack.sql('SELECT title FROM tasks WHERE id = 1')).toMatch(
      /^(direct|proxied) \d\n$/,
    );
    const others = `${running.sent} other requests through nginx meanwhile`;
    measured(`exit code 0 after ${seconds.toFixed(1)} s; ${others}, none failed`);
  });

  it('finishes what nginx has in hand on SIGQUIT, and exits with 0', async () => {
    const { Id } = await stack.inspect('web');
    const { idle, half, slow, unlock } = await work(await stack.server(), 'quit');
    await sleep(300);
    const stopped = stop(Id);
    await sleep(300);
    expect(await areUnderWay(slow)).toBe(true);
    unlock();
    expect(await half()).toMatch(/^HTTP\/1\.1 201 /);
    expect((await Promise.all(slow)).map(({ status }) => status)).toEqual([
      200, 200, 200, 200, 200,
    ]);
    const { seconds, exitCode } = await stopped;
    expect(exitCode).toBe(0);
    expect(seconds).toBeLessThan(20);
    expect(idle.filter(({ isOpen }) => isOpen)).toEqual([]);
    expect(await rows('quit in two parts')).toBe(1);
    expect(await stack.sql('SELECT title FROM tasks WHERE id = 1')).toMatch(/^quit \d\n$/);
    measured(`exit code 0 after ${seconds.toFixed(1)} s`);
    await stack.compose('up', '-d', '--wait');
    stack.forgetTarget();
  });

  it('stops the database cleanly under load, with exit code 0, without losing a row', async () => {
    const { Id } = await stack.inspect('db');
    const running = new Load({ ...(await stack.server()), accepted: [200, 201, 503, 504] });
    onTestFinished(() => running.stop());
    await sleep(1_000);
    const { seconds, exitCode } = await stop(Id);
    await running.stop();
    expect(running.failures).toEqual([]);
    expect(exitCode).toBe(0);
    expect(seconds).toBeLessThan(25);
    expect(
      await docker('logs', '--tail', '5', Id).then(() => stack.logStreams('db')),
    ).toMatchObject({ stderr: expect.stringContaining('database system is shut down') });

    await stack.compose('up', '-d', '--wait', '--no-deps', 'db');
    expect(running.acknowledged.length).toBeGreaterThan(0);
    const names = running.acknowledged.map((title) => `'${title}'`).join();
    expect(Number(await stack.sql(`SELECT count(*) FROM tasks WHERE title IN (${names})`))).toBe(
      running.acknowledged.length,
    );
    const acknowledged = `${running.acknowledged.length} acknowledged rows`;
    measured(`exit code 0 after ${seconds.toFixed(1)} s, ${acknowledged} all there`);
  });

  it('answers POSTs around each keep-alive limit of the chain without a 502', async () => {
    const server = await stack.server();
    const name = crypto.randomUUID();
    const answers: (Answer | Error)[] = [];
    let reused = 0;

    /** A client that keeps its connection, and opens another when that one was closed. */
    const client = () => {
      let connection = new Connection(server);
      return async (): Promise<void> => {
        if (!connection.isOpen) connection = new Connection(server);
        else reused++;
        const body = { title: `${name} ${crypto.randomUUID()}` };
        const answer = await connection
          .send({ method: 'POST', path: '/api/tasks', body })
          .catch((error: Error) => error);
        answers.push(answer);
      };
    };

    // nginx closes idle connections to the API after 5 s. A burst leaves as many of them as it has
    // requests, and the next burst finds them all while nginx closes them.
    const burst = async (size: number, distances: number[]) => {
      const clients = Array.from({ length: size }, client);
      await Promise.all(clients.map((post) => post()));
      for (const distance of distances) {
        await sleep(distance);
        await Promise.all(clients.map((post) => post()));
      }
    };
    // nginx closes connections of clients after 65 s, the API its own after 75 s: pairs of requests
    // are that far apart, give or take half a second.
    const pairs = (limit: number, count: number) =>
      Promise.all(
        Array.from({ length: count }, async (_, n) => {
          const post = client();
          await post();
          await sleep(limit - 500 + (1_000 * n) / count);
          await post();
        }),
      );
    const bursts = burst(
      200,
      [-100, -50, -20, -10, 0, 10, 20, 50, 100, 1_000].map((ms) => 5_000 + ms),
    );
    await Promise.all([bursts, pairs(65_000, 200), pairs(75_000, 200)]);

    // A client that sends while nginx closes its connection gets no answer: nginx did not read it.
    const unanswered = answers.filter((answer) => answer instanceof Error);
    const statuses = answers.flatMap((answer) => (answer instanceof Error ? [] : [answer.status]));
    expect(new Set(statuses)).toEqual(new Set([201]));
    expect(statuses.length + unanswered.length).toBe(3_000);
    expect(unanswered.length).toBeLessThan(10);
    expect(Number(await stack.sql(`SELECT count(*) FROM tasks WHERE title LIKE '${name}%'`))).toBe(
      statuses.length,
    );
    const answered = `${statuses.length} POSTs answered with 201, ${reused} on a used connection`;
    const closed = `${unanswered.length} hit a client connection that was being closed`;
    measured(`${answered}; ${closed}`);
  });
});
