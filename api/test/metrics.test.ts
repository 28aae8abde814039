import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { connections } from '../src/pool.ts';
import { openTaskStore, type TaskStore } from '../src/tasks/store.ts';
import { api, database } from './helper.ts';

type Client = ReturnType<typeof api>;

/** The lines of GET /metrics that begin with `prefix`, as `name{labels}` and value. */
async function metrics(client: Client, prefix: string): Promise<Record<string, number>> {
  const { text } = await client
    .get('/metrics')
    .expect(200)
    .expect('Content-Type', /^text\/plain; version=0\.0\.4/);
  const lines = text.split('\n').filter((line) => line.startsWith(prefix));
  return Object.fromEntries(
    lines.map((line) => [
      line.slice(0, line.lastIndexOf(' ')),
      Number(line.slice(line.lastIndexOf(' '))),
    ]),
  );
}
const count = (method: string, route: string, status: number) =>
  `http_request_duration_seconds_count{method="${method}",route="${route}",status="${status}"}`;

describe('GET /metrics', () => {
  it('counts requests and their time by method, route and status', async () => {
    const client = api();
    for (const id of [1, 2, 2147483647]) await client.get(`/api/tasks/${id}`);
    await client.post('/api/tasks').send({});
    await client.put('/api/tasks').send({});
    expect(await metrics(client, 'http_request_duration_seconds_count')).toEqual({
      [count('GET', '/api/tasks/:id', 200)]: 2,
      [count('GET', '/api/tasks/:id', 404)]: 1,
      [count('POST', '/api/tasks', 400)]: 1,
      [count('PUT', '/api/tasks', 405)]: 1,
    });
  });

  it('measures the time in seconds', async () => {
    const store: TaskStore = {
      ...openTaskStore(database()),
      get: () => sleep(120) as Promise<undefined>,
    };
    const client = api({ store });
    await client.get('/api/tasks/1');
    const [sum] = Object.values(await metrics(client, 'http_request_duration_seconds_sum'));
    expect(sum).toBeGreaterThan(0.11);
    expect(sum).toBeLessThan(10);
  });

  it('has one label for all paths and one for all methods that do not exist', async () => {
    const client = api({ apiTokens: ['x'.repeat(16)] });
    for (let n = 0; n < 20; n++) await client.get(`/nope-${n}`);
    for (const method of ['propfind', 'trace', 'lock'] as const) await client[method]('/');
    await client.get('/api/tasks'); // 401 before any route
    expect(await metrics(client, 'http_request_duration_seconds_count')).toEqual({
      [count('GET', 'none', 404)]: 20,
      [count('other', '/', 405)]: 3,
      [count('GET', 'none', 401)]: 1,
    });
  });

  it('counts a client that went away before its answer as 499', async () => {
    const store: TaskStore = {
      ...openTaskStore(database()),
      get: () => sleep(200) as Promise<undefined>,
    };
    const client = api({ store });
    await expect(client.get('/api/tasks/1').timeout(50)).rejects.toThrow('Timeout');
    await expect
      .poll(() => metrics(client, 'http_request_duration_seconds_count'))
      .toMatchObject({ [count('GET', '/api/tasks/:id', 499)]: 1 });
  });

  it('knows the requests in flight', async () => {
    const { promise, resolve } = Promise.withResolvers<undefined>();
    const client = api({ store: { ...openTaskStore(database()), get: () => promise } });
    expect(await metrics(client, 'http_requests_in_flight')).toEqual({
      http_requests_in_flight: 1,
    });
    const waiting = Promise.all([client.get('/api/tasks/1'), client.get('/api/tasks/1')]);
    await expect
      .poll(() => metrics(client, 'http_requests_in_flight'))
      .toEqual({ http_requests_in_flight: 3 });
    resolve(undefined);
    await waiting;
    expect(await metrics(client, 'http_requests_in_flight')).toEqual({
      http_requests_in_flight: 1,
    });
  });

  it('knows how each kind uses its connections, and how long statements waited', async () => {
    const db = database();
    const client = api({ db });
    const before = await metrics(client, 'db_pool');
    expect(before).toMatchObject({
      'db_pool_connections_max{kind="list"}': 4,
      'db_pool_connections_max{kind="health"}': 2,
      'db_pool_connections_open{kind="list"}': 0,
      'db_pool_connections_idle{kind="list"}': 0,
      'db_pool_waiting{kind="list"}': 0,
      db_pool_waits_total: 0,
      db_pool_wait_seconds_total: 0,
    });
    const sleeps = { name: '', text: 'SELECT pg_sleep(0.5)', values: [], kind: 'list' as const };
    // Two more than there are connections for lists.
    const slow = Promise.all(Array.from({ length: 6 }, () => db.read(sleeps)));
    await expect
      .poll(() => metrics(client, 'db_pool'))
      .toMatchObject({
        'db_pool_connections_open{kind="list"}': 4,
        'db_pool_connections_idle{kind="list"}': 0,
        'db_pool_waiting{kind="list"}': 2,
        'db_pool_waiting{kind="get"}': 0,
      });
    await slow;
    const after = await metrics(client, 'db_pool');
    expect(after).toMatchObject({
      'db_pool_connections_open{kind="list"}': 4,
      'db_pool_connections_idle{kind="list"}': 4,
      'db_pool_waiting{kind="list"}': 0,
      db_pool_waits_total: 6,
    });
    expect(after.db_pool_wait_seconds_total).toBeGreaterThan(0.5); // two of them half a second
    expect(after.db_pool_wait_seconds_total).toBeLessThan(10);
  });

  it('counts the requests that shared a statement', async () => {
    const db = database();
    const client = api({ db });
    await client.get('/api/tasks/1');
    const sleeps = { name: '', text: 'SELECT pg_sleep(1)', values: [], kind: 'get' as const };
    // All connections are busy for a second, in which the 30 requests come.
    const busy = Array.from({ length: connections.get }, () => db.read(sleeps));
    await Promise.all(Array.from({ length: 30 }, () => client.get('/api/tasks/1')));
    await Promise.all(busy);
    const sizes = await metrics(client, 'db_batch_size');
    expect(sizes['db_batch_size_sum{statement="get"}']).toBe(31);
    expect(sizes['db_batch_size_count{statement="get"}']).toBeLessThan(31);
    expect(sizes['db_batch_size_bucket{le="1",statement="get"}']).toBeGreaterThan(0);
  });
});
