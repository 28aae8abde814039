// POST with an Idempotency-Key: sent again, it makes no second task.
import { describe, expect, it } from 'vitest';
import { api, createTask, database, owner, type Task, unique } from './helper.ts';

const key = () => crypto.randomUUID();
const taskOf = ({ body }: { body: unknown }) => (body as { task: Task }).task;

async function tasksCalled(title: string): Promise<Task[]> {
  const { body } = await api().get('/api/tasks').query({ q: title, limit: 500 }).expect(200);
  return (body as { tasks: Task[] }).tasks;
}

describe('POST /api/tasks with an Idempotency-Key', () => {
  it('answers the same key and body with the stored 201, also by another replica, and makes one task', async () => {
    const sent = { title: unique('once'), status: 'active' };
    const header = key();
    const first = await api().post('/api/tasks').set('Idempotency-Key', header).send(sent).expect(201);
    const again = await api().post('/api/tasks').set('Idempotency-Key', header).send(sent).expect(201);
    expect(again.text).toBe(first.text);
    expect(again.headers.location).toBe(first.headers.location);
    expect(await tasksCalled(sent.title)).toEqual([taskOf(first)]);
    await api().get(`/api/tasks/${taskOf(first).id}`).expect(200, first.text);
  });

  it('answers with the task as it was made, although it was changed or deleted since', async () => {
    const client = api();
    const send = (header: string, title: string) => client.post('/api/tasks').set('Idempotency-Key', header).send({ title }).expect(201);
    const [title, header] = [unique('changed'), key()];
    const first = await send(header, title);
    await client.patch(`/api/tasks/${taskOf(first).id}`).send({ status: 'done' }).expect(200);
    expect((await send(header, title)).text).toBe(first.text);
    await client.delete(`/api/tasks/${taskOf(first).id}`).expect(200);
    expect((await send(header, title)).text).toBe(first.text);
    expect(await tasksCalled(title)).toEqual([]);
  });

  it('makes one task of 50 concurrent requests over two replicas, and gives all of them its id', async () => {
    const [replicas, title, header] = [[api(), api()], unique('fifty'), key()];
    const clients = Array.from({ length: 25 }, () => replicas).flat();
    const send = async (client: (typeof clients)[number]) =>
      taskOf(await client.post('/api/tasks').set('Idempotency-Key', header).send({ title }).expect(201)).id;
    const ids = await Promise.all(clients.map(send));
    const [task] = await tasksCalled(title);
    expect(ids).toEqual(Array(50).fill(task?.id));
    expect(await tasksCalled(title)).toHaveLength(1);
  });

  it.each([{ title: 'other title' }, { status: 'other status' }])('answers 422 for another body, %j, and stores nothing of it', async (change) => {
    const client = api();
    const [sent, header] = [{ title: unique('one'), status: 'active' }, key()];
    const first = await client.post('/api/tasks').set('Idempotency-Key', header).send(sent).expect(201);
    const { body } = await client.post('/api/tasks').set('Idempotency-Key', header).send({ ...sent, ...change }).expect(422);
    expect(body).toEqual({ error: 'This Idempotency-Key was used for another task' });
    expect((await client.get(`/api/tasks/${taskOf(first).id}`)).text).toBe(first.text);
    expect(await tasksCalled(sent.title)).toHaveLength(1);
  });

  it('answers 409 while the first request is still running, and 201 once it is not', async () => {
    const [title, header, other] = [unique('running'), key(), await owner()];
    await other.query('BEGIN');
    const columns = `(key, task_id, title, status) VALUES ($1, 4, $2, 'pending')`;
    await other.query(`INSERT INTO idempotency_keys ${columns}`, [header, title]);
    const send = () => api().post('/api/tasks').set('Idempotency-Key', header).send({ title });
    const running = await send().expect(409);
    expect(running.body).toEqual({ error: 'A request with this Idempotency-Key is still running' });
    expect(running.headers['retry-after']).toBe('1');
    expect(await tasksCalled(title)).toEqual([]);
    await other.query('ROLLBACK'); // that one has failed
    await send().expect(201);
    expect(await tasksCalled(title)).toHaveLength(1);
  });

  it('keeps a key for 24 hours; afterwards it is new, and old keys are forgotten', async () => {
    const [client, title, other] = [api(), unique('day'), await owner()];
    const send = (header: string) => client.post('/api/tasks').set('Idempotency-Key', header).send({ title }).expect(201);
    const age = (header: string, hours: number) =>
      other.query(`UPDATE idempotency_keys SET created_at = now() - make_interval(hours => $2) WHERE key = $1`, [header, hours]);
    const [young, old, oldToo] = [key(), key(), key()];
    const first = { young: await send(young), old: await send(old), oldToo: await send(oldToo) };
    await age(young, 23);
    await age(old, 25);
    await age(oldToo, 25);
    expect(taskOf(await send(young)).id).toBe(taskOf(first.young).id);
    expect(taskOf(await send(old)).id).toBeGreaterThan(taskOf(first.oldToo).id);
    expect(await tasksCalled(title)).toHaveLength(4);
    await send(key());
    const { rows } = await other.query<{ key: string }>('SELECT key FROM idempotency_keys WHERE key = ANY($1)', [[young, old, oldToo]]);
    expect(rows.map((row) => row.key).toSorted()).toEqual([young, old].toSorted());
  });

  it.each(['', ' ', 'a b', 'ä', 'x'.repeat(256)])('answers 400 for the key %j and stores nothing', async (header) => {
    const title = unique('bad key');
    const answer = await api().post('/api/tasks').set('Idempotency-Key', header).send({ title }).expect(400);
    const message = 'must be 1 to 255 visible ASCII characters, given once';
    expect(answer.body).toEqual({ error: `'idempotency-key' ${message}`, details: [{ path: 'idempotency-key', message }] });
    expect(await tasksCalled(title)).toEqual([]);
  });

  it('takes a key of 255 characters', async () => {
    await api().post('/api/tasks').set('Idempotency-Key', '~'.repeat(255)).send({ title: unique('long key') }).expect(201);
  });

  it('makes no key of a refused body, so that it can be mended and sent again', async () => {
    const [client, header] = [api(), key()];
    await client.post('/api/tasks').set('Idempotency-Key', header).send({ title: '' }).expect(400);
    await client.post('/api/tasks').set('Idempotency-Key', header).send({ title: unique('mended') }).expect(201);
  });
});

describe('POST /api/tasks without a key', () => {
  it('makes a task each time, and touches no key', async () => {
    const db = database();
    const keys = () => db.read({ name: 'keys', text: 'SELECT count(*) FROM idempotency_keys', values: [] });
    const before = await keys();
    const title = unique('twice');
    await createTask(api(), { title });
    await createTask(api(), { title });
    expect(await tasksCalled(title)).toHaveLength(2);
    expect(await keys()).toEqual(before);
  });
});
