// Rows imported by SQL bring their own ids, and the sequence does not know them.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import { api, createTask, owner, ownDatabase } from './helper.ts';

type Own = Awaited<ReturnType<typeof ownDatabase>>;

const importRows = (own: Own, from: number, to: number) =>
  own.owner.query(
    `INSERT INTO tasks (id, title)
     SELECT n, $1 FROM generate_series($2::int, $3::int) AS n`,
    ['imported', from, to],
  );
const repair = (own: Own) =>
  own.owner.query(readFileSync(join(import.meta.dirname, '../../db/repair.sql'), 'utf8'));

async function nextId(own: Own): Promise<number> {
  const { rows } = await own.owner.query<{ next: number }>(
    'SELECT (last_value + is_called::int)::int AS next FROM tasks_id_seq',
  );
  return rows[0]?.next ?? 0;
}

describe('ids that the sequence is still to give', () => {
  it('make creations 503, for all who share one, with a cause that says what to do', async () => {
    const own = await ownDatabase();
    const lines: Record<string, unknown>[] = [];
    const log = pino(
      { base: null },
      { write: (line) => lines.push(JSON.parse(line) as Record<string, unknown>) },
    );
    const client = api({ db: own.db, log });
    await importRows(own, 1, 200);
    const titles = Array.from({ length: 20 }, (_, n) => `together ${n}`);
    const answers = await Promise.all([
      ...titles.map((title) => client.post('/api/tasks').send({ title })),
      client.post('/api/tasks').set('Idempotency-Key', 'k').send({ title: 'with a key' }),
    ]);
    for (const { status, body, headers } of answers) {
      expect([status, body, headers['retry-after']]).toEqual([
        503,
        { error: 'Database connection failed' },
        '1',
      ]);
    }
    expect(lines.find(({ cause }) => cause !== undefined)?.cause).toMatch(
      /tasks_pkey.*docker compose run --rm migrate/,
    );
    const { rows } = await own.owner.query(`SELECT FROM tasks WHERE title <> 'imported'`);
    expect(rows).toEqual([]);

    await repair(own);
    expect((await createTask(client)).id).toBe(201);
    await client
      .post('/api/tasks')
      .set('Idempotency-Key', 'k')
      .send({ title: 'with a key' })
      .expect(201);
  });

  it('are 503 as well when none is left', async () => {
    const own = await ownDatabase();
    await importRows(own, 2_147_483_647, 2_147_483_647);
    await repair(own);
    await api({ db: own.db }).post('/api/tasks').send({ title: 'one too many' }).expect(503);
  });
});

describe('repair.sql', () => {
  it('sets the sequence past all rows, never back, and takes no id', async () => {
    const own = await ownDatabase();
    expect(await nextId(own)).toBe(1);
    await repair(own);
    expect(await nextId(own)).toBe(1);
    await importRows(own, 1, 1);
    await repair(own);
    expect(await nextId(own)).toBe(2);
    await importRows(own, 900, 900);
    await repair(own);
    await repair(own);
    expect(await nextId(own)).toBe(901);
    await own.owner.query('DELETE FROM tasks');
    await repair(own);
    expect(await nextId(own)).toBe(901);
  });

  it('waits for an import that is under way, and sets the sequence past it', async () => {
    const own = await ownDatabase();
    const other = await owner(own.name);
    await importRows(own, 1, 10);
    await other.query('BEGIN');
    await other.query(`INSERT INTO tasks (id, title) VALUES (500, 'imported')`);
    const repaired = repair(own);
    const waiting = `SELECT FROM pg_locks WHERE NOT granted AND relation = 'tasks'::regclass`;
    await expect.poll(async () => (await other.query(waiting)).rowCount).toBe(1);
    await other.query('COMMIT');
    await repaired;
    expect(await nextId(own)).toBe(501);
  });

  it('can run while tasks are created: no id is given twice', async () => {
    const own = await ownDatabase();
    const client = api({ db: own.db });
    let ended = false;
    const create = async () => {
      const statuses = [];
      while (!ended)
        statuses.push((await client.post('/api/tasks').send({ title: 'meanwhile' })).status);
      return statuses;
    };
    const load = [create(), create(), create()];
    for (let n = 1; n <= 20; n++) {
      const next = await nextId(own);
      await importRows(own, next + 30, next + 31); // creations hit these, or the file is faster
      await repair(own);
      await repair(own);
    }
    ended = true;
    const statuses = (await Promise.all(load)).flat();
    expect(statuses.filter((status) => status !== 201 && status !== 503)).toEqual([]);
    await client.post('/api/tasks').send({ title: 'afterwards' }).expect(201);
    const { rows } = await own.owner.query<{ max: number }>('SELECT max(id) FROM tasks');
    expect(await nextId(own)).toBe((rows[0]?.max ?? 0) + 1);
  });
});
