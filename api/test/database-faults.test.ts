import { setTimeout as sleep } from 'node:timers/promises';
import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import { api, createTask, database, faultyNetwork, unique } from './helper.ts';

const unavailable = { error: 'Database connection failed' };

describe('a database that cannot be reached', () => {
  it('is answered with 503 and Retry-After by every route that needs it', async () => {
    const client = api({ db: database({ DB_PORT: '1' }) });
    for (const request of [
      client.get('/api/tasks'),
      client.get('/api/tasks/1'),
      client.post('/api/tasks').send({ title: 'x' }),
      client.put('/api/tasks/1').send({ title: 'x' }),
      client.patch('/api/tasks/1').send({ title: 'x' }),
      client.delete('/api/tasks/1'),
    ]) {
      const response = await request.expect(503);
      expect(response.body).toEqual(unavailable);
      expect(response.headers['retry-after']).toMatch(/^\d+$/);
    }
  });

  it('changes nothing in what is answered without it', async () => {
    const client = api({ db: database({ DB_PORT: '1' }) });
    await client.get('/').expect(200);
    await client.get('/api/tasks?limit=0').expect(400);
    await client.post('/api/tasks').send({}).expect(400);
  });
});

describe('a connection that breaks', () => {
  it('while idle, is replaced without a failed request', async () => {
    const { env, proxy } = await faultyNetwork();
    const client = api({ db: database(env) });
    await client.get('/api/tasks?limit=1').expect(200);
    proxy.cut();
    await sleep(100);
    await client.get('/api/tasks?limit=1').expect(200);
  });

  it('after a read was sent, is answered with 503', async () => {
    const { env, proxy } = await faultyNetwork();
    const client = api({ db: database(env) });
    await client.get('/api/tasks?limit=1').expect(200);
    proxy.hold();
    setTimeout(() => proxy.cut(), 200);
    expect((await client.get('/api/tasks').expect(503)).body).toEqual(unavailable);
  });

  it('after a write was sent, is answered with 504, because the write may be stored', async () => {
    const { env, proxy } = await faultyNetwork();
    const client = api({ db: database(env) });
    await client.get('/healthz').expect(200);
    proxy.hold();
    setTimeout(() => proxy.cut(), 200);
    const title = unique('unknown outcome');
    const { body } = await client.post('/api/tasks').send({ title }).expect(504);
    expect(body).toEqual({ error: 'Database connection lost, the change may or may not be stored' });
    const stored = async () => {
      const answer = await api().get('/api/tasks').query({ q: title });
      return (answer.body as { tasks: unknown[] }).tasks.length;
    };
    await expect.poll(stored).toBe(1); // and here it is
  });
});

describe('a database that does not answer', () => {
  it('is given up after 6 s, and none of the connections of then is used again', async () => {
    const { env, proxy } = await faultyNetwork();
    const client = api({ db: database(env) });
    const pages = async (statuses: number[]) => {
      const answers = await Promise.all(statuses.map((_, n) => client.get(`/api/tasks?limit=${n + 1}`)));
      expect(answers.map(({ status }) => status)).toEqual(statuses);
    };
    await pages([200, 200, 200, 200, 200]); // each on a connection of its own
    proxy.hold();
    const start = Date.now();
    await pages([503]);
    expect(Date.now() - start).toBeGreaterThan(5_500);
    expect(Date.now() - start).toBeLessThan(9_000);
    await pages([200, 200, 200, 200, 200]); // the other four still get no answer
  });
});

describe('a row that somebody else has locked', () => {
  it('is answered with 503 after 2 s: the change was not applied', async () => {
    const locker = database();
    const client = api();
    const before = await createTask(client);
    // One statement is one transaction: it holds its lock while it sleeps.
    const text = `WITH locked AS (UPDATE tasks SET status = 'locked' WHERE id = $1 RETURNING id) SELECT pg_sleep(4), id FROM locked`;
    const lock = locker.write({ name: 'lock', text, values: [before.id] });
    await sleep(300);
    const { body } = await client.patch(`/api/tasks/${before.id}`).send({ title: 'waits' }).expect(503);
    expect(body).toEqual(unavailable);
    await lock;
    const { body: after } = await client.get(`/api/tasks/${before.id}`).expect(200);
    expect(after).toEqual({ task: { ...before, status: 'locked' } });
  });
});

describe('an SQL error', () => {
  it('that nobody foresaw is answered with 500, and only the log tells the cause', async () => {
    const lines: string[] = [];
    const log = pino({ level: 'info' }, { write: (line: string) => void lines.push(line) });
    const db = database();
    const broken = { ...db, read: () => db.read<never>({ name: 'broken', text: 'SELECT secret_column FROM tasks', values: [] }) };
    const response = await api({ db: broken, log }).get('/api/tasks').expect(500);
    expect(response.text).toBe('{"error":"Internal server error"}');
    expect(lines).toHaveLength(1);
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({
      request_id: response.headers['x-request-id'],
      err: { message: expect.stringContaining('secret_column') as string },
    });
  });

  it('does not cost the connection', async () => {
    const db = database();
    const backend = async () => {
      const [row] = await db.read<{ pid: number }>({ name: 'pid', text: 'SELECT pg_backend_pid() AS pid', values: [] });
      return row?.pid;
    };
    const before = await backend();
    await expect(db.read({ name: 'zero', text: 'SELECT 1/0', values: [] })).rejects.toThrow('division by zero');
    expect(await backend()).toBe(before);
  });
});

describe('the login of the API', () => {
  it.each([
    'DROP TABLE tasks',
    'TRUNCATE tasks',
    'ALTER TABLE tasks ADD COLUMN x int',
    'CREATE TABLE other (id int)',
    'CREATE TEMPORARY TABLE other (id int)',
    `COPY tasks TO PROGRAM 'cat'`,
    `SELECT pg_read_file('/etc/passwd')`,
    'SET ROLE taskapp',
    'CREATE ROLE other',
  ])('may not: %s', async (text) => {
    await expect(database().write({ name: '', text, values: [] })).rejects.toThrow(/permission denied|must be owner/);
  });

  it('may connect to no other database', async () => {
    const log = database({ DB_NAME: 'postgres' });
    await expect(log.read({ name: '', text: 'SELECT 1', values: [] })).rejects.toThrow(/permission denied for database/);
  });
});
