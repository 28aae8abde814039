import { writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import type { Db } from '../src/db.ts';
import { DatabaseUnavailable, LockTimeout, OutcomeUnknown } from '../src/db-errors.ts';
import { connections, type Kind } from '../src/pool.ts';
import { openSharedTaskStore } from '../src/tasks/shared-store.ts';
import {
  api,
  createTask,
  database,
  environment,
  faultyNetwork,
  inUse,
  lockFor,
  owner,
  secretFile,
  unique,
} from './helper.ts';

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

  it('after a write was sent, is answered with 504: the write may have been stored', async () => {
    const { env, proxy } = await faultyNetwork();
    const client = api({ db: database(env) });
    await createTask(client);
    proxy.hold();
    setTimeout(() => proxy.cut(), 200);
    const title = unique('unknown outcome');
    const { body } = await client.post('/api/tasks').send({ title }).expect(504);
    expect(body).toEqual({
      error: 'Database connection lost; the change may or may not have been stored',
    });
    const stored = async () => {
      const answer = await api().get('/api/tasks').query({ q: title });
      return (answer.body as { tasks: unknown[] }).tasks.length;
    };
    await expect.poll(stored).toBe(1);
  });
});

describe('a database that does not answer', () => {
  it('is given up after 6 s, and none of the connections of then is used again', async () => {
    const { env, proxy } = await faultyNetwork();
    const client = api({ db: database(env) });
    const pages = async (statuses: number[]) => {
      const answers = await Promise.all(
        statuses.map((_, n) => client.get(`/api/tasks?limit=${n + 1}`)),
      );
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

describe('one connection that has stalled', () => {
  it('fails what it carries, and nothing else of its kind', async () => {
    const { env, proxy } = await faultyNetwork();
    const client = api({ db: database(env) });
    const { id } = await createTask(client);
    await client.get(`/api/tasks/${id}`).expect(200);
    await client.get('/api/tasks').expect(200);
    await client.get('/healthz').expect(200);
    proxy.hold(); // each kind has used one connection
    const send = {
      get: () => client.get(`/api/tasks/${id}`),
      list: () => client.get('/api/tasks'),
      create: () => client.post('/api/tasks').send({ title: unique('stalled') }),
      health: () => client.get('/healthz'),
    };
    const stalled = Promise.all(Object.values(send).map((request) => request()));
    await sleep(20);
    const start = Date.now();
    const others = Object.values(send).flatMap((request) => Array.from({ length: 6 }, request));
    const statuses = (await Promise.all(others)).map(({ status }) => status);
    expect(statuses).toEqual(
      [200, 200, 201, 200].flatMap((status) => Array(6).fill(status) as number[]),
    );
    expect(Date.now() - start).toBeLessThan(4_000); // the stalled ones take 6 s
    expect((await stalled).map(({ status }) => status)).toEqual([503, 503, 504, 503]);
  });
});

/** Locks the row of a task until the test ends or releases it. */
async function locked(...ids: number[]): Promise<() => Promise<unknown>> {
  const locker = await owner();
  await locker.query('BEGIN');
  await locker.query('SELECT FROM tasks WHERE id = ANY($1) FOR UPDATE', [ids]);
  return () => locker.query('ROLLBACK');
}

/** Checks that everything but changes to locked rows still works. */
async function othersWork(client: ReturnType<typeof api>): Promise<void> {
  const other = await createTask(client);
  await client.get('/api/tasks').expect(200);
  await client.get(`/api/tasks?q=${other.title.slice(0, 8)}`).expect(200);
  await client.get(`/api/tasks/${other.id}`).expect(200);
  await client.patch(`/api/tasks/${other.id}`).send({ status: 'done' }).expect(200);
  await client
    .post('/api/tasks')
    .set('Idempotency-Key', unique('key').replace(' ', '-'))
    .send(other)
    .expect(201);
  await client.delete(`/api/tasks/${other.id}`).expect(200);
  await client.get('/healthz').expect(200, { status: 'healthy' });
}

describe('a row that somebody else has locked', () => {
  it('holds one connection, however many change it, and the rest of the API works', async () => {
    const db = database();
    const client = api({ db });
    const { id } = await createTask(client);
    await locked(id);
    const changes = Promise.all(
      Array.from({ length: 30 }, (_, n) =>
        n % 3 === 0
          ? client.delete(`/api/tasks/${id}`)
          : client.patch(`/api/tasks/${id}`).send({ title: 'x' }),
      ),
    );
    await sleep(200);
    expect(inUse(db)).toBe(1);
    await othersWork(client);
    const answers = await changes;
    expect(answers.map(({ status }) => status)).toEqual(Array(30).fill(503));
    expect(answers[0]?.body).toEqual(unavailable);
  });

  it('is one of many: changes never hold all connections', async () => {
    const db = database();
    const client = api({ db });
    const tasks = await Promise.all(Array.from({ length: 20 }, () => createTask(client)));
    await locked(...tasks.map(({ id }) => id));
    const changes = Promise.all(
      tasks.map(({ id }) => client.patch(`/api/tasks/${id}`).send({ title: 'x' })),
    );
    await sleep(200);
    expect(inUse(db)).toBe(connections.change);
    await client.get('/api/tasks').expect(200);
    await client.get(`/api/tasks/${tasks[0]?.id}`).expect(200);
    await createTask(client);
    await client.get('/healthz').expect(200, { status: 'healthy' });
    expect((await changes).map(({ status }) => status)).toEqual(Array(20).fill(503));
  });

  it('counts its waiting changes in the limit of everything that waits', async () => {
    const store = openSharedTaskStore(database());
    const { id } = await createTask(api());
    await locked(id);
    const waiting = Promise.allSettled([
      ...Array.from({ length: 1_000 }, () => store.update(id, { title: 'x' })),
      ...Array.from({ length: 900 }, () => store.remove(id)),
      ...Array.from({ length: 100 }, () => store.createOnce(crypto.randomUUID(), newTask)),
    ]);
    const more = await Promise.allSettled([store.get(id), store.create(newTask), store.remove(id)]);
    const reasons = more.map((answer) => answer.status === 'rejected' && String(answer.reason));
    expect(reasons).toEqual(Array(3).fill('DatabaseUnavailable: 2000 calls are already waiting'));
    await waiting;
    expect(await store.get(id)).toContain(`"id":${id},`);
  });

  it('is changed in the order of the requests when it is free again', async () => {
    const store = openSharedTaskStore(database());
    const { id } = await createTask(api());
    const unlock = await locked(id);
    const changes = [...'0123456789'].map((title) => store.update(id, { title }));
    const removed = store.remove(id);
    const tooLate = store.update(id, { title: 'removed' });
    await sleep(200);
    await unlock();
    const titles = (await Promise.all(changes)).map(
      (json) => /"title":"(.)"/.exec(json ?? '')?.[1],
    );
    expect(titles.join('')).toBe('0123456789');
    expect(await removed).toBe(true);
    expect(await tooLate).toBeUndefined();
  });

  it('is answered with 503 after 2 s: the change was not applied', async () => {
    const locker = database();
    const client = api();
    const before = await createTask(client);
    const lock = lockFor(locker, before.id, 4);
    await sleep(300);
    const { body } = await client
      .patch(`/api/tasks/${before.id}`)
      .send({ title: 'waits' })
      .expect(503);
    expect(body).toEqual(unavailable);
    await lock;
    const { body: after } = await client.get(`/api/tasks/${before.id}`).expect(200);
    expect(after).toEqual({ task: { ...before, status: 'locked' } });
  });
});

describe('an Idempotency-Key that is in use', () => {
  it('holds one connection, however many use it, and the rest of the API works', async () => {
    const db = database();
    const client = api({ db });
    const title = unique('in use');
    const send = (key: string) =>
      client.post('/api/tasks').set('Idempotency-Key', key).send({ title });
    const [used, key] = [crypto.randomUUID(), crypto.randomUUID()];
    await send(used).expect(201);
    const other = await owner();
    await other.query('BEGIN');
    await other.query(
      `INSERT INTO idempotency_keys
       SELECT (jsonb_populate_record(made, jsonb_build_object('key', $1::text))).*
       FROM idempotency_keys AS made WHERE key = $2`,
      [key, used],
    );
    const requests = Promise.all(Array.from({ length: 30 }, () => send(key)));
    await sleep(200);
    expect(inUse(db)).toBe(1);
    await othersWork(client);
    expect((await requests).map(({ status }) => status)).toEqual(Array(30).fill(409));
  });
});

describe('a statement that finds all connections of its kind in use', () => {
  it('waits 2 s for one, and the log tells so', async () => {
    const db = database();
    const text = 'SELECT pg_sleep(3)';
    const sleeps = { name: '', text, values: [], kind: 'search' as const };
    const slow = Promise.all([db.read(sleeps), db.read(sleeps)]);
    await expect(db.read(sleeps)).rejects.toThrow('all 2 connections for search are in use');
    await slow;
  });
});

describe('searches that are slow', () => {
  it('hold no connection of anything else', async () => {
    const { env, proxy } = await faultyNetwork();
    const client = api({ db: database(env) });
    const search = (n: number) => client.get(`/api/tasks?q=slow${n}`);
    const ten = () => Promise.all(Array.from({ length: 10 }, (_, n) => search(n)));
    await ten();
    proxy.hold();
    const slow = ten();
    await sleep(200);
    await client.get('/api/tasks').expect(200);
    await client.get('/api/tasks/1').expect(200);
    await client
      .patch(`/api/tasks/${(await createTask(client)).id}`)
      .send({ status: 'done' })
      .expect(200);
    await client.get('/healthz').expect(200, { status: 'healthy' });
    expect((await slow).map(({ status }) => status)).toEqual(Array(10).fill(503));
  });
});

describe('an SQL error', () => {
  it('that nobody foresaw is answered with 500, and only the log tells the cause', async () => {
    const lines: string[] = [];
    const log = pino({ level: 'info' }, { write: (line: string) => void lines.push(line) });
    const db = database();
    const broken = {
      ...db,
      read: () => db.read<never>({ name: 'broken', text: "SELECT 'secret_text'::int", values: [] }),
    };
    const response = await api({ db: broken, log }).get('/api/tasks').expect(500);
    expect(response.text).toBe('{"error":"Internal server error"}');
    expect(lines).toHaveLength(1);
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({
      request_id: response.headers['x-request-id'],
      err: { message: expect.stringContaining('secret_text') as string },
    });
  });

  it('does not cost the connection', async () => {
    const db = database();
    const before = await backend(db);
    await expect(db.read(divisionByZero)).rejects.toThrow('division by zero');
    expect(await backend(db)).toBe(before);
  });

  it('means the same in whatever language the server speaks', async () => {
    const { env, proxy } = await faultyNetwork();
    // What a server with `lc_messages = 'cs_CZ.UTF-8'` sends; not every build has its messages.
    const czech = (text: string) => text.replaceAll('SERROR\0', 'SCHYBA\0');
    proxy.rewrite = (chunk) => Buffer.from(czech(chunk.toString('latin1')), 'latin1');
    const db = database(env);
    const before = await backend(db);
    const refused = await db.read(divisionByZero).catch((error: unknown) => error);
    expect(refused).toMatchObject({ severity: 'CHYBA', code: '22012' });
    expect(await backend(db)).toBe(before);

    const client = api({ db });
    const { id } = await createTask(client);
    await locked(id);
    await expect(db.write(touch(id))).rejects.toThrow(LockTimeout);
    expect((await client.patch(`/api/tasks/${id}`).send({ title: 'x' }).expect(503)).body).toEqual(
      unavailable,
    );
  });
});

describe('a connection to a server that takes no writes', () => {
  it('is closed once a write finds that out, and the next write gets another', async () => {
    const db = database();
    const text = 'SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY'; // as on a standby
    await db.read({ name: '', text, values: [], kind: 'create' });
    const client = api({ db });
    expect((await client.post('/api/tasks').send(newTask).expect(503)).body).toEqual(unavailable);
    await client.post('/api/tasks').send(newTask).expect(201);
  });
});

describe('a connection that the server ends', () => {
  it('leaves the outcome of its write unknown', async () => {
    const db = database();
    const text = 'SELECT pg_sleep(10) AS written';
    const outcome = db.write({ name: '', text, values: [] }).catch((error: unknown) => error);
    await terminate(text);
    expect(await outcome).toBeInstanceOf(OutcomeUnknown);
    expect(await backend(db, 'change')).toEqual(expect.any(Number));
  });

  it('does so too if it has told an error before, in whatever words', async () => {
    const { env, proxy } = await faultyNetwork();
    // As in a PANIC during a commit: an error, and no "ready for query", which is the last 6 bytes.
    proxy.rewrite = (chunk) => {
      if (!chunk.includes('C22012')) return chunk;
      setTimeout(() => proxy.cut(), 50);
      return chunk.subarray(0, -6);
    };
    await expect(database(env).write(divisionByZero)).rejects.toThrow(OutcomeUnknown);
  });

  it('waits only briefly when it is silent after an error', async () => {
    const { env, proxy } = await faultyNetwork();
    proxy.rewrite = (chunk) => {
      if (chunk.includes('C22012')) proxy.hold(); // what follows this chunk
      return chunk;
    };
    const startedAt = performance.now();
    await expect(database(env).write(divisionByZero)).rejects.toThrow(OutcomeUnknown);
    expect(performance.now() - startedAt).toBeLessThan(5_000); // a statement may take 6 s
  });

  it('takes no other connection with it', async () => {
    const db = database();
    const [name, values] = ['', []];
    const healthy = db.read<{ pid: number }>({
      name,
      text: 'SELECT pg_sleep(1), pg_backend_pid() AS pid',
      values,
    });
    const text = 'SELECT pg_sleep(10) AS read';
    const outcome = db.read({ name, text, values }).catch((error: unknown) => error);
    await terminate(text);
    expect(await outcome).toBeInstanceOf(DatabaseUnavailable);
    const [row] = await healthy;
    expect(await backend(db)).toBe(row?.pid);
  });
});

const newTask = { title: 'new', status: 'pending' };
const divisionByZero = { name: 'zero', text: 'SELECT 1/0', values: [] };
const touch = (id: number) => ({
  name: '',
  text: 'UPDATE tasks SET title = title WHERE id = $1',
  values: [id],
});

/** The pid of the server process that runs the next statement. */
async function backend(db: Db, kind: Kind = 'list'): Promise<number | undefined> {
  const text = 'SELECT pg_backend_pid() AS pid';
  const [row] = await db.read<{ pid: number }>({ name: 'pid', text, values: [], kind });
  return row?.pid;
}

/** Terminates the connection that runs the statement, as an administrator would. */
async function terminate(statement: string): Promise<void> {
  const admin = await owner();
  const text = 'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query = $1';
  await expect.poll(async () => (await admin.query(text, [statement])).rowCount).toBe(1);
}

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
    await expect(database().write({ name: '', text, values: [] })).rejects.toThrow(
      /permission denied|must be owner/,
    );
  });

  it('may connect to no other database', async () => {
    const log = database({ DB_NAME: 'postgres' });
    await expect(log.read({ name: '', text: 'SELECT 1', values: [] })).rejects.toThrow(
      /permission denied for database/,
    );
  });
});

it('a database that is away is never called busy, however many requests wait for it', async () => {
  const db = database({ DB_PORT: '1' });
  const statement = { name: '', text: 'SELECT 1', values: [], kind: 'list' as const };
  const reads = await Promise.allSettled(Array.from({ length: 8 }, () => db.read(statement)));
  const causes = reads.map((read) => (read.status === 'rejected' ? String(read.reason) : 'none'));
  expect(causes.filter((cause) => !cause.includes('ECONNREFUSED'))).toEqual([]);
});

it('a password that is being changed costs no request', async () => {
  const login = environment();
  const file = secretFile('not that of the role any more');
  const db = database({ DB_PASS: '', DB_PASS_FILE: file });
  const read = db.read({ name: '', text: 'SELECT 1 AS one', values: [] });
  await sleep(300);
  writeFileSync(file, login.DB_PASS ?? '');
  expect(await read).toEqual([{ one: 1 }]);
});
