import { hash } from 'node:crypto';
import { connections, type Db } from '../db.ts';
import { TurnTimeout } from '../db-errors.ts';
import { openLimit, share } from '../share.ts';
import { type CreatedOnce, createTaskOnce, type NotCreated } from './idempotency.ts';
import { type Row, type TaskJson, taskJson } from './row.ts';
import {
  type Cursor,
  encodeCursor,
  type ListQuery,
  type NewTask,
  type TaskChange,
} from './schema.ts';

/** One page of the list, newest first: `{"tasks": […], "next_cursor": …}`. */
export interface Page {
  /** Made once, and sent as it is to all who share it. */
  json: Buffer;
  /** Names the content: equal pages have equal tags, from whichever replica. Hashed once for all who share the page. */
  etag: string;
  /** Where the next page starts; undefined on the last one. */
  nextCursor: string | undefined;
}

/** What the API asks of the database, one statement each. */
export interface TaskStore {
  list: (query: ListQuery) => Promise<Page>;
  /** Undefined: there is no such task. */
  get: (id: number) => Promise<TaskJson | undefined>;
  /** Resolved means committed. */
  create: (task: NewTask) => Promise<Row>;
  /** Creates the task, or returns the one that `key` made in the last 24 hours. */
  createOnce: (key: string, task: NewTask) => Promise<CreatedOnce | NotCreated>;
  /** Changes what is given. Undefined: there is no such task. */
  update: (id: number, change: TaskChange) => Promise<TaskJson | undefined>;
  /** False: there was no such task. */
  remove: (id: number) => Promise<boolean>;
}

export interface StoreOptions {
  /** Unless false, requests that arrive together share a statement (false is for comparison in benchmarks). */
  sharing?: boolean;
  /** Called when a shared statement starts, with the number of requests it serves. */
  onBatch?: (statement: string, size: number) => void;
}

export function openTaskStore(db: Db, { sharing = true, onBatch }: StoreOptions = {}): TaskStore {
  const shared: typeof share = sharing
    ? share
    : (execute) => async (input) => only(await execute([input]));
  const limit = openLimit(); // for everything that waits for the database

  // In the database, changes to one task or uses of one key would each hold a connection while
  // waiting for each other. They take turns here instead, in order of arrival.
  const takeTurns = shared<Turn, unknown>(async (turns) => [await only(turns).run()], {
    key: ({ of }) => of,
    maxBatch: 1,
    limit,
  });
  const inTurn = <Result>(of: string, run: () => Promise<Result>) =>
    takeTurns({ of, run }) as Promise<Result>;

  return {
    list: shared(
      async (queries) => Array(queries.length).fill(await listTasks(db, only(queries))) as Page[],
      {
        key: (query) => JSON.stringify(query),
        maxBatch: Infinity, // they all want the same page
        maxInFlight: 2,
        limit,
        onStart: (size) => onBatch?.('list', size),
      },
    ),
    get: shared((ids) => getTasks(db, ids), {
      maxInFlight: connections.get,
      limit,
      onStart: (size) => onBatch?.('get', size),
    }),
    create: shared((tasks) => createTasks(db, tasks), {
      maxInFlight: connections.create,
      limit,
      onStart: (size) => onBatch?.('create', size),
    }),
    createOnce: (key, task) =>
      inTurn(`key ${key}`, () => createTaskOnce(db, key, task)).catch(stillRunning),
    update: (id, change) => inTurn(`task ${id}`, () => updateTask(db, id, change)),
    remove: (id) => inTurn(`task ${id}`, () => deleteTask(db, id)),
  };
}

interface Turn {
  /** What it changes; there is one turn of it at a time. */
  of: string;
  run: () => Promise<unknown>;
}

/** An earlier request with the same key took longer than this one may wait. */
function stillRunning(error: unknown): 'running' {
  if (error instanceof TurnTimeout) return 'running';
  throw error;
}

function only<Item>(items: Item[]): Item {
  const [item] = items;
  if (item === undefined) throw new Error('nothing given');
  return item;
}

// How a search compares titles: canonical form, no case. lower() alone would tell ς from σ, and
// normalize() is slow and rarely needed. 02_indexes.sql has the same expression.
const comparedTitle =
  'lower(upper(CASE WHEN title IS NFC NORMALIZED THEN title ELSE normalize(title, NFC) END))';

/** A LIKE pattern that finds `part` anywhere, in the same canonical form; its case is kept. */
const patternOf = (part: string) => `%${part.normalize('NFC').replace(/[\\%_]/g, '\\$&')}%`;

async function listTasks(db: Db, { limit, status, q, cursor }: ListQuery): Promise<Page> {
  const values: unknown[] = [limit + 1]; // one more than asked for tells whether more rows follow
  const value = (given: unknown) => `$${values.push(given)}`;

  const conditions: string[] = [];
  if (status !== undefined) conditions.push(`status = ${value(status)}`);
  if (q) conditions.push(`${comparedTitle} LIKE lower(upper(${value(patternOf(q))}))`);
  if (cursor)
    conditions.push(`(created_at, -id) < (${value(cursor.created_at)}, -${value(cursor.id)}::int)`);
  const where = conditions.length > 0 ? `WHERE ${conditions.join(' AND ')}` : '';

  // No prepared statement for a search: rare words need the index, frequent ones do not.
  const name = q ? '' : `list${status === undefined ? '' : '-status'}${cursor ? '-cursor' : ''}`;
  const rows = await db.read<Pick<Row, 'json'>>({
    name,
    // Newest first, then by id. Both descending, as one row comparison against the cursor needs it: see 02_indexes.sql.
    text: `SELECT ${taskJson} FROM tasks ${where} ORDER BY created_at DESC, -id DESC LIMIT $1`,
    values,
    kind: q ? 'search' : 'list',
  });
  const page = rows.slice(0, limit).map((row) => row.json);
  const last = page.at(-1);
  const nextCursor =
    rows.length > limit && last !== undefined
      ? encodeCursor(JSON.parse(last) as Cursor)
      : undefined;
  const next = nextCursor === undefined ? '' : `,"next_cursor":"${nextCursor}"`;
  const json = Buffer.from(`{"tasks":[${page.join(',')}]${next}}`);
  return { json, etag: `"${hash('sha1', json, 'base64url')}"`, nextCursor };
}

async function getTasks(db: Db, ids: number[]): Promise<(TaskJson | undefined)[]> {
  const rows = await db.read<Row>({
    name: 'get',
    text: `SELECT id, ${taskJson} FROM tasks WHERE id = ANY($1::int[])`,
    values: [ids],
    kind: 'get',
  });
  const found = new Map(rows.map(({ id, json }) => [id, json]));
  return ids.map((id) => found.get(id));
}

/** One INSERT, one commit. The rows get ascending ids in the order of `tasks`. */
async function createTasks(db: Db, tasks: NewTask[]): Promise<Row[]> {
  const rows = await db.write<Row>({
    name: 'create',
    text: `
      INSERT INTO tasks (title, status)
      SELECT title, status FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS new (title, status, n) ORDER BY n
      RETURNING id, ${taskJson}`,
    values: [tasks.map(({ title }) => title), tasks.map(({ status }) => status)],
    kind: 'create',
  });
  return rows.toSorted((a, b) => a.id - b.id);
}

async function updateTask(
  db: Db,
  id: number,
  { title, status }: TaskChange,
): Promise<TaskJson | undefined> {
  const rows = await db.write<Row>({
    name: 'update',
    text: `UPDATE tasks SET title = coalesce($2, title), status = coalesce($3, status) WHERE id = $1 RETURNING id, ${taskJson}`,
    values: [id, title, status],
  });
  return rows[0]?.json;
}

async function deleteTask(db: Db, id: number): Promise<boolean> {
  const rows = await db.write<{ id: number }>({
    name: 'delete',
    text: 'DELETE FROM tasks WHERE id = $1 RETURNING id',
    values: [id],
  });
  return rows.length > 0;
}
