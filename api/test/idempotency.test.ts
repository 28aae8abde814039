// POST with an Idempotency-Key: sent again, it makes no second task.
import { hash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { migrate } from '../../local/migrate.ts';
import { startDeletingOldKeys } from '../src/tasks/idempotency.ts';
import {
  api,
  createTask,
  database,
  owner,
  ownDatabase,
  silent,
  type Task,
  unique,
} from './helper.ts';

const key = () => crypto.randomUUID();
const taskOf = ({ body }: { body: unknown }) => (body as { task: Task }).task;

async function tasksCalled(title: string): Promise<Task[]> {
  const { body } = await api().get('/api/tasks').query({ q: title, limit: 500 }).expect(200);
  return (body as { tasks: Task[] }).tasks;
}

describe('POST /api/tasks with an Idempotency-Key', () => {
  it('answers the same key and body with the task, also by another replica', async () => {
    const sent = { title: unique('once'), status: 'active' };
    const header = key();
    const first = await api()
      .post('/api/tasks')
      .set('Idempotency-Key', header)
      .send(sent)
      .expect(201);
    expect(first.headers).not.toHaveProperty('idempotency-replayed');
    const again = await api()
      .post('/api/tasks')
      .set('Idempotency-Key', header)
      .send(sent)
      .expect(201);
    expect(again.headers['idempotency-replayed']).toBe('true');
    expect(again.text).toBe(first.text);
    expect(again.headers.location).toBe(first.headers.location);
    expect(await tasksCalled(sent.title)).toEqual([taskOf(first)]);
    await api()
      .get(`/api/tasks/${taskOf(first).id}`)
      .expect(200, first.text);
  });

  it('answers with the task as it is now, and with 410 once it was deleted', async () => {
    const client = api();
    const [title, header] = [unique('changed'), key()];
    const send = (body: object = { title }) =>
      client.post('/api/tasks').set('Idempotency-Key', header).send(body);
    const { id } = taskOf(await send().expect(201));
    await client
      .patch(`/api/tasks/${id}`)
      .send({ title: unique('other'), status: 'done' })
      .expect(200);
    const now = await client.get(`/api/tasks/${id}`).expect(200);
    expect((await send().expect(201)).text).toBe(now.text);
    await client.delete(`/api/tasks/${id}`).expect(200);
    const { body } = await send().expect(410);
    expect(body).toEqual({ error: 'The task created with this Idempotency-Key has been deleted' });
    await send({ title: 'another' }).expect(422);
    expect(await tasksCalled(title)).toEqual([]);
  });

  it('keeps no text of the task, and takes no id for a request that was sent again', async () => {
    const [client, title, status, header, db] = [
      api(),
      unique('secret'),
      unique('s'),
      key(),
      await owner(),
    ];
    const send = () =>
      client.post('/api/tasks').set('Idempotency-Key', header).send({ title, status });
    await send().expect(201);
    const kept = await db.query<{ row: string }>(
      'SELECT k::text AS row FROM idempotency_keys k WHERE key = $1',
      [header],
    );
    expect(kept.rows).toHaveLength(1);
    for (const text of [title, status]) {
      expect(kept.rows[0]?.row).not.toContain(text);
      expect(kept.rows[0]?.row).not.toContain(Buffer.from(text).toString('hex'));
    }
    // Other tests use up ids meanwhile, so this test has its own sequence.
    const own = await ownDatabase();
    const again = () =>
      api({ db: own.db })
        .post('/api/tasks')
        .set('Idempotency-Key', header)
        .send({ title, status })
        .expect(201);
    const ids = [];
    for (let n = 0; n < 5; n++) ids.push(taskOf(await again()).id);
    const { rows } = await own.owner.query<{ last: string }>(
      'SELECT last_value AS last FROM tasks_id_seq',
    );
    expect(rows).toEqual([{ last: String(ids[0]) }]);
  });

  it('makes one task of 50 concurrent requests to two replicas, and gives all its id', async () => {
    const [replicas, title, header] = [[api(), api()], unique('fifty'), key()];
    const clients = Array.from({ length: 25 }, () => replicas).flat();
    const send = async (client: (typeof clients)[number]) =>
      taskOf(
        await client.post('/api/tasks').set('Idempotency-Key', header).send({ title }).expect(201),
      ).id;
    const ids = await Promise.all(clients.map(send));
    const [task] = await tasksCalled(title);
    expect(ids).toEqual(Array(50).fill(task?.id));
    expect(await tasksCalled(title)).toHaveLength(1);
  });

  it.each([{ title: 'other title' }, { status: 'other status' }])(
    'answers 422 for another body, %j, and stores nothing of it',
    async (change) => {
      const client = api();
      const [sent, header] = [{ title: unique('one'), status: 'active' }, key()];
      const first = await client
        .post('/api/tasks')
        .set('Idempotency-Key', header)
        .send(sent)
        .expect(201);
      const { body } = await client
        .post('/api/tasks')
        .set('Idempotency-Key', header)
        .send({ ...sent, ...change })
        .expect(422);
      expect(body).toEqual({ error: 'This Idempotency-Key was used for another task' });
      expect((await client.get(`/api/tasks/${taskOf(first).id}`)).text).toBe(first.text);
      expect(await tasksCalled(sent.title)).toHaveLength(1);
    },
  );

  it('answers 409 while the first request is still running, and 201 once it is not', async () => {
    const [title, header, other] = [unique('running'), key(), await owner()];
    await other.query('BEGIN');
    await other.query(`INSERT INTO idempotency_keys (key, task_id, request) VALUES ($1, 4, '')`, [
      header,
    ]);
    const send = () => api().post('/api/tasks').set('Idempotency-Key', header).send({ title });
    const running = await send().expect(409);
    expect(running.body).toEqual({ error: 'A request with this Idempotency-Key is still running' });
    expect(running.headers['retry-after']).toBe('1');
    expect(await tasksCalled(title)).toEqual([]);
    await other.query('ROLLBACK'); // as if that request failed
    await send().expect(201);
    expect(await tasksCalled(title)).toHaveLength(1);
  });

  it('keeps a key for 24 hours; afterwards it is new', async () => {
    const [client, title, other] = [api(), unique('day'), await owner()];
    const send = (header: string) =>
      client.post('/api/tasks').set('Idempotency-Key', header).send({ title }).expect(201);
    const age = (header: string, hours: number) =>
      other.query(
        `UPDATE idempotency_keys SET created_at = now() - make_interval(hours => $2)
         WHERE key = $1`,
        [header, hours],
      );
    const [young, old] = [key(), key()];
    const first = { young: await send(young), old: await send(old) };
    await age(young, 23);
    await age(old, 25);
    expect(taskOf(await send(young)).id).toBe(taskOf(first.young).id);
    expect(taskOf(await send(old)).id).toBeGreaterThan(taskOf(first.old).id);
    expect(await tasksCalled(title)).toHaveLength(3);
  });

  it('forgets old keys by and by, however many, although no other key comes', async () => {
    const { db, owner: other } = await ownDatabase();
    const make = `INSERT INTO idempotency_keys (key, request, task_id, created_at)
      SELECT $1 || n, '', 1, now() - make_interval(hours => $2) FROM generate_series(1, $3) AS n`;
    await other.query(make, ['young', 23, 2]);
    await other.query(make, ['old', 25, 2_500]);
    const keys = async () =>
      (await other.query<{ key: string }>('SELECT key FROM idempotency_keys ORDER BY key')).rows;
    const young = [{ key: 'young1' }, { key: 'young2' }];
    const timer = startDeletingOldKeys(db, silent, 20); // milliseconds
    onTestFinished(() => clearInterval(timer));
    await expect.poll(keys).toEqual(young);
    await other.query(make, ['later', 25, 3]);
    await expect.poll(keys).toEqual(young);
  });

  it.each(['', ' ', 'a b', 'ä', 'x'.repeat(256)])(
    'answers 400 for the key %j and stores nothing',
    async (header) => {
      const title = unique('bad key');
      const answer = await api()
        .post('/api/tasks')
        .set('Idempotency-Key', header)
        .send({ title })
        .expect(400);
      const message = 'must be 1 to 255 visible ASCII characters, given once';
      expect(answer.body).toEqual({
        error: `'idempotency-key' ${message}`,
        details: [{ path: 'idempotency-key', message }],
      });
      expect(await tasksCalled(title)).toEqual([]);
    },
  );

  it('takes a key of 255 characters', async () => {
    await api()
      .post('/api/tasks')
      .set('Idempotency-Key', '~'.repeat(255))
      .send({ title: unique('long key') })
      .expect(201);
  });

  it('makes no key of a refused body, so that it can be mended and sent again', async () => {
    const [client, header] = [api(), key()];
    await client.post('/api/tasks').set('Idempotency-Key', header).send({ title: '' }).expect(400);
    await client
      .post('/api/tasks')
      .set('Idempotency-Key', header)
      .send({ title: unique('mended') })
      .expect(201);
  });
});

describe('POST /api/tasks without a key', () => {
  it('makes a task each time, and touches no key', async () => {
    const db = database();
    const keys = () =>
      db.read({ name: 'keys', text: 'SELECT count(*) FROM idempotency_keys', values: [] });
    const before = await keys();
    const title = unique('twice');
    await createTask(api(), { title });
    await createTask(api(), { title });
    expect(await tasksCalled(title)).toHaveLength(2);
    expect(await keys()).toEqual(before);
  });
});

describe('a database of the last release, whose keys have title and status', () => {
  // How the API of the last release writes and reads them, until the new one replaces it.
  const claim = `
    WITH claimed AS (
      INSERT INTO idempotency_keys AS old (key, task_id, title, status)
      VALUES ($1, nextval('tasks_id_seq'), $2, $3)
      ON CONFLICT (key) DO UPDATE SET
        task_id = EXCLUDED.task_id, title = EXCLUDED.title,
        status = EXCLUDED.status, created_at = EXCLUDED.created_at
      WHERE old.created_at < now() - interval '24 hours'
      RETURNING *
    )
    INSERT INTO tasks (id, title, status, created_at)
    SELECT task_id, title, status, created_at FROM claimed
    RETURNING id, title`;
  const find = `
    SELECT task_id, title = $2 AND status = $3 AS same
    FROM idempotency_keys WHERE key = $1`;

  async function lastRelease() {
    const file = join(import.meta.dirname, '../../test/stack/schema/before-request.sql');
    const { db, owner: other } = await ownDatabase(readFileSync(file, 'utf8'));
    const ask = async (text: string, ...values: string[]) => {
      const prepared = { name: hash('md5', text), text, values }; // as in the API
      return (await other.query<Record<string, unknown>>(prepared)).rows;
    };
    return { client: api({ db }), other, ask, apply: () => migrate(other) };
  }

  it("goes on: old and new API know each other's keys, and the change can run again", async () => {
    const { client, other, ask, apply } = await lastRelease();
    const send = (header: string, title: string) =>
      client.post('/api/tasks').set('Idempotency-Key', header).send({ title });
    const [before] = await ask(claim, 'before', 'Ünïcode', 'pending');
    const known = [{ task_id: before?.id, same: true }];
    expect(await ask(find, 'before', 'Ünïcode', 'pending')).toEqual(known);
    await apply();
    await apply();
    const [after] = await ask(claim, 'after', 'after', 'pending'); // the old API is still running
    expect(await ask(find, 'before', 'Ünïcode', 'pending')).toEqual(known);
    expect(await ask(find, 'after', 'after', 'pending')).toEqual([
      { task_id: after?.id, same: true },
    ]);

    for (const [header, title, id] of [
      ['before', 'Ünïcode', before?.id],
      ['after', 'after', after?.id],
    ] as const) {
      const answer = await send(header, title).expect(201);
      expect([answer.headers['idempotency-replayed'], taskOf(answer).id]).toEqual(['true', id]);
      await send(header, 'another').expect(422);
    }

    await send('new', 'new').expect(201);
    // The old API makes no second task for it.
    expect(await ask(claim, 'new', 'new', 'pending')).toEqual([]);
    expect(await ask('SELECT title, status FROM idempotency_keys WHERE key = $1', 'new')).toEqual([
      { title: null, status: null },
    ]);
    await other.query(`UPDATE idempotency_keys SET created_at = now() - interval '25 hours'`);
    expect(await ask(claim, 'new', 'taken over', 'pending')).toMatchObject([
      { title: 'taken over' },
    ]);
    expect((await send('new', 'taken over').expect(201)).headers['idempotency-replayed']).toBe(
      'true',
    );
  });
});
