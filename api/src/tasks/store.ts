import { hash } from 'node:crypto';
import type { Db } from '../db.ts';
import { LockTimeout } from '../db-errors.ts';
import { keyLifetime } from './idempotency.ts';
import { listTasks, type Page } from './list.ts';
import {
  listOf,
  type ListQuery,
  type NewTask,
  type Row,
  type TaskChange,
  type TaskJson,
  taskJson,
} from './schema.ts';

/** `replayed`: an earlier request with this key created the task. The row has its current state. */
export type CreatedOnce = Row & { replayed: boolean };
/**
 * 'other task': the key was used for another body. 'deleted': the task created with the key is
 * gone. 'running': the earlier request with the key has not ended.
 */
export type NotCreated = 'other task' | 'deleted' | 'running';

/** What the API asks of the database. */
export interface TaskStore {
  list: (query: ListQuery) => Promise<Page>;
  /** Undefined: there is no such task. */
  get: (id: number) => Promise<TaskJson | undefined>;
  /** Resolves when the task is committed. */
  create: (task: NewTask) => Promise<Row>;
  /** Creates the task. If `key` is known and has not expired, returns the task created with it. */
  createOnce: (key: string, task: NewTask) => Promise<CreatedOnce | NotCreated>;
  /** Changes only what is given. Undefined: there is no such task. */
  update: (id: number, change: TaskChange) => Promise<TaskJson | undefined>;
  /** False: there was no such task. */
  remove: (id: number) => Promise<boolean>;
}

export function openTaskStore(db: Db): TaskStore {
  return {
    list: (query) => listTasks(db, query),
    get: (id) => getTask(db, id),
    create: (task) => createTask(db, task),
    createOnce: (key, task) => createTaskOnce(db, key, task),
    update: (id, change) => updateTask(db, id, change),
    remove: (id) => deleteTask(db, id),
  };
}

async function getTask(db: Db, id: number): Promise<TaskJson | undefined> {
  const [row] = await db.read<Row>({
    name: 'get',
    kind: 'get',
    text: `SELECT id, ${taskJson} FROM tasks WHERE id = $1`,
    values: [id],
  });
  return row?.json;
}

async function createTask(db: Db, task: NewTask): Promise<Row> {
  const names = Object.keys(task);
  const parameters = names.map((_, n) => `$${n + 1}`);
  const [row] = await db.write<Row>({
    name: `create ${names.join()}`,
    kind: 'create',
    text: `
      INSERT INTO tasks (${listOf(names)}) VALUES (${parameters.join(', ')})
      RETURNING id, ${taskJson}`,
    values: Object.values(task),
  });
  if (!row) throw new Error('INSERT returned no row');
  return row;
}

/** Creates the task. If `key` is known and has not expired, finds the task created with it. */
async function createTaskOnce(
  db: Db,
  key: string,
  task: NewTask,
): Promise<CreatedOnce | NotCreated> {
  const request = hashOf(key, task);
  const created = await claimKey(db, key, request, task).catch(noneIfLocked);
  return created ? { ...created, replayed: false } : taskOfKey(db, key, request);
}

/** Undefined if another transaction holds the key. Any other error is thrown again. */
function noneIfLocked(error: unknown): undefined {
  if (error instanceof LockTimeout && error.where.includes('idempotency_keys')) return undefined;
  throw error;
}

/**
 * One statement stores key and task, so neither is ever stored without the other. The INSERT waits
 * for any other transaction that holds the key. Undefined: the key is already in use.
 */
async function claimKey(
  db: Db,
  key: string,
  request: Buffer,
  task: NewTask,
): Promise<Row | undefined> {
  const names = Object.keys(task);
  const [created] = await db.write<Row>({
    name: `create-once ${names.join()}`,
    // A known key uses up no id of the sequence, unless its first request is still running.
    text: `
      WITH claimed AS (
        INSERT INTO idempotency_keys AS old (key, request, task_id)
        SELECT $1::text, $2::bytea, nextval('tasks_id_seq')
        WHERE NOT EXISTS (
          SELECT FROM idempotency_keys
          WHERE key = $1::text AND created_at >= now() - ${keyLifetime})
        ON CONFLICT (key) DO UPDATE SET
          request = EXCLUDED.request,
          task_id = EXCLUDED.task_id,
          created_at = EXCLUDED.created_at
        WHERE old.created_at < now() - ${keyLifetime}
        RETURNING task_id
      )
      INSERT INTO tasks (id, ${listOf(names)})
      SELECT task_id, ${listOf(names)} FROM claimed, json_populate_record(NULL::tasks, $3)
      RETURNING id, ${taskJson}`,
    values: [key, request, JSON.stringify(task)],
  });
  return created;
}

async function taskOfKey(db: Db, key: string, request: Buffer): Promise<CreatedOnce | NotCreated> {
  const [made] = await db.read<{ same: boolean; id: number | null; json: string }>({
    name: 'created-once',
    kind: 'change',
    text: `
      SELECT request = $2 AS same, id, ${taskJson}
      FROM (SELECT request, task_id FROM idempotency_keys WHERE key = $1) AS made
      LEFT JOIN tasks ON id = task_id`,
    values: [key, request],
  });
  if (!made) return 'running';
  if (!made.same) return 'other task';
  return made.id === null ? 'deleted' : { id: made.id, json: made.json, replayed: true };
}

/** Stored instead of the body. The hash includes the key, so equal tasks have different hashes. */
function hashOf(key: string, { title, status, ...others }: NewTask): Buffer {
  const more = Object.entries(others).map((field) => JSON.stringify(field));
  return hash('sha256', [key, title, status, ...more].join('\0'), 'buffer');
}

async function updateTask(db: Db, id: number, change: TaskChange): Promise<TaskJson | undefined> {
  const names = Object.keys(change);
  const assignments = names.map((name, n) => `"${name}" = $${n + 2}`);
  const [row] = await db.write<Row>({
    name: `update ${names.join()}`,
    text: `
      UPDATE tasks SET ${assignments.join(', ')} WHERE id = $1
      RETURNING id, ${taskJson}`,
    values: [id, ...Object.values(change)],
  });
  return row?.json;
}

async function deleteTask(db: Db, id: number): Promise<boolean> {
  const rows = await db.write<{ id: number }>({
    name: 'delete',
    text: 'DELETE FROM tasks WHERE id = $1 RETURNING id',
    values: [id],
  });
  return rows.length > 0;
}
