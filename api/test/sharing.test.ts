// Sharing on a real database: how much it saves, and that no answer is older than its request.
import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Db } from '../src/db.ts';
import { ListQuery } from '../src/tasks/schema.ts';
import { openSharedTaskStore } from '../src/tasks/shared-store.ts';
import type { Page } from '../src/tasks/list.ts';
import { createTask, api, database, unique } from './helper.ts';

/** Counts the statements that reach the database. */
function counted(db: Db = database()) {
  const count = { read: 0, write: 0 };
  const counting: Db = {
    ...db,
    read: (statement) => (count.read++, db.read(statement)),
    write: (statement) => (count.write++, db.write(statement)),
  };
  return { db: counting, count };
}

/** Delays one answer in ten, long enough for the next statement to start beside it. */
function slowNowAndThen(): Db {
  const db = database();
  const late = async <Result>(result: Promise<Result>) => {
    const given = await result;
    if (Math.random() < 0.1) await sleep(150);
    return given;
  };
  return {
    ...db,
    read: (statement) => late(db.read(statement)),
    write: (statement) => late(db.write(statement)),
  };
}

const ids = ({ json }: Page) =>
  (JSON.parse(json.toString()) as { tasks: { id: number }[] }).tasks.map(({ id }) => id);
const hundred = Array.from({ length: 100 }, (_, n) => n);

describe('requests that arrive together', () => {
  it('share one query when they want the same page, and two pages are two queries', async () => {
    const { db, count } = counted();
    const store = openSharedTaskStore(db);
    const pages = await Promise.all(
      hundred.map((n) => store.list(ListQuery.parse({ limit: n % 2 ? '3' : '4' }))),
    );
    expect(count.read).toBe(2);
    expect(pages.map((page) => ids(page).length)).toEqual(hundred.map((n) => (n % 2 ? 3 : 4)));
  });

  it('share one query when they want single tasks, also the same and unknown ones', async () => {
    const { db, count } = counted();
    const store = openSharedTaskStore(db);
    const wanted = [3, 1, 2_147_483_647, 3, 5];
    const tasks = await Promise.all(wanted.map((id) => store.get(id)));
    expect(count.read).toBe(1);
    expect(tasks.map((json) => json && (JSON.parse(json) as { id: number }).id)).toEqual([
      3,
      1,
      undefined,
      3,
      5,
    ]);
  });

  it('are created in one commit, each with its own answer, ids in order of arrival', async () => {
    const { db, count } = counted();
    const store = openSharedTaskStore(db);
    const title = unique('together');
    const rows = await Promise.all(
      hundred.map((n) => store.create({ title: `${title} ${n}`, status: `s${n}` })),
    );
    expect(count.write).toBe(1);
    rows.forEach(({ id, json }, n) => {
      expect(JSON.parse(json)).toMatchObject({ id, title: `${title} ${n}`, status: `s${n}` });
    });
    const [{ commits } = { commits: 0 }] = await db.read<{ commits: number }>({
      name: '',
      text: 'SELECT count(DISTINCT xmin::text)::int AS commits FROM tasks WHERE title LIKE $1',
      values: [`${title}%`],
    });
    expect(commits).toBe(1);
    expect(rows.map(({ id }) => id)).toEqual(rows.map(({ id }) => id).toSorted((a, b) => a - b));
  });

  it('are created although one among them is refused by the database', async () => {
    const { db } = counted();
    const store = openSharedTaskStore(db);
    const title = unique('neighbour');
    // Validation would have refused this status.
    const bad = { title: `${title} bad`, status: 'x'.repeat(51) };
    const answers = await Promise.allSettled(
      [{ title, status: 'a' }, bad, { title, status: 'b' }].map(store.create),
    );
    expect(answers.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect(ids(await store.list(ListQuery.parse({ q: title })))).toHaveLength(2);
  });

  it('are answered in full through HTTP', async () => {
    const client = api();
    const created = await Promise.all(hundred.slice(0, 40).map(() => createTask(client)));
    const read = await Promise.all(
      created.map(({ id }) => client.get(`/api/tasks/${id}`).expect(200)),
    );
    expect(read.map(({ body }) => (body as { task: unknown }).task)).toEqual(created);
    expect(new Set(created.map(({ id }) => id)).size).toBe(40);
  });

  it('are answered with their number, unless the statement is never shared', async () => {
    const client = api();
    const sharedBy = ({ headers }: { headers: Record<string, string> }) =>
      Number(headers['x-shared-by']);
    expect(sharedBy(await client.get('/api/tasks/1'))).toBe(1);
    const together = await Promise.all(hundred.map(() => client.get('/api/tasks')));
    expect(Math.max(...together.map(sharedBy))).toBeGreaterThan(1);
    const { id } = await createTask(client);
    const changed = await client.patch(`/api/tasks/${id}`).send({ title: 'x' }).expect(200);
    expect(changed.headers).not.toHaveProperty('x-shared-by');
  });
});

describe('read your writes', () => {
  it.each([
    ['whichever replica they write to and read from', database, 15],
    ['also while some answers of the database are slow', slowNowAndThen, 3],
  ])('holds for each of many clients at once, %s', async (_, open, numRuns) => {
    const replicas = [openSharedTaskStore(open()), openSharedTaskStore(open())] as const;
    const step = fc.record({ writeTo: fc.nat(1), readFrom: fc.nat(1), remove: fc.boolean() });
    const clients = fc.array(fc.array(step, { minLength: 1, maxLength: 8 }), {
      minLength: 2,
      maxLength: 16,
    });
    await fc.assert(
      fc.asyncProperty(clients, async (all) => {
        const status = unique('ryw').slice(0, 50);
        const list = ListQuery.parse({ status, limit: '500' });
        await Promise.all(
          all.map(async (steps) => {
            for (const { writeTo, readFrom, remove } of steps) {
              const writer = replicas[writeTo] ?? replicas[0];
              const reader = replicas[readFrom] ?? replicas[0];
              const { id, json } = await writer.create({ title: 'x', status });
              expect(ids(await reader.list(list))).toContain(id);
              expect(await reader.get(id)).toBe(json);
              const updated = await writer.update(id, { title: 'y' });
              expect(await reader.get(id)).toBe(updated);
              if (!remove) continue;
              expect(await writer.remove(id)).toBe(true);
              expect(await reader.get(id)).toBeUndefined();
              expect(ids(await reader.list(list))).not.toContain(id);
            }
          }),
        );
      }),
      { numRuns },
    );
  });
});
