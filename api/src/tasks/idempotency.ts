import { hash } from 'node:crypto';
import type { Logger } from 'pino';
import type { Db } from '../db.ts';
import { LockTimeout } from '../db-errors.ts';
import { columnList, type Row, taskJson } from './row.ts';
import type { NewTask } from './schema.ts';

/** `replayed`: an earlier request with this key made the task; this is its current state. */
export type CreatedOnce = Row & { replayed: boolean };
/**
 * 'other task': the key was used for another body. 'deleted': its task is gone. 'running': the
 * earlier request with the key has not ended.
 */
export type NotCreated = 'other task' | 'deleted' | 'running';

/** Creates the task, or finds the one that `key` created in the last 24 hours. */
export async function createTaskOnce(
  db: Db,
  key: string,
  task: NewTask,
): Promise<CreatedOnce | NotCreated> {
  const request = hashOf(key, task);
  const created = await claimKey(db, key, request, task).catch(noneIfLocked);
  return created ? { ...created, replayed: false } : taskOfKey(db, key, request);
}

/** Another transaction holds the key. */
function noneIfLocked(error: unknown): undefined {
  if (error instanceof LockTimeout && error.where.includes('idempotency_keys')) return undefined;
  throw error;
}

/**
 * One statement stores key and task, so neither is ever stored without the other. The INSERT waits
 * for any other transaction that holds the key. Undefined: the key is in use.
 */
async function claimKey(
  db: Db,
  key: string,
  request: Buffer,
  task: NewTask,
): Promise<Row | undefined> {
  const [created] = await db.write<Row>({
    name: 'create-once',
    // A known key uses up no id of the sequence, unless its first request is still running.
    text: `
      WITH claimed AS (
        INSERT INTO idempotency_keys AS old (key, request, task_id)
        SELECT $1::text, $2::bytea, nextval('tasks_id_seq')
        WHERE NOT EXISTS (
          SELECT FROM idempotency_keys
          WHERE key = $1::text AND created_at >= now() - interval '24 hours')
        ON CONFLICT (key) DO UPDATE SET
          request = EXCLUDED.request,
          task_id = EXCLUDED.task_id,
          created_at = EXCLUDED.created_at
        WHERE old.created_at < now() - interval '24 hours'
        RETURNING task_id
      )
      INSERT INTO tasks (id, ${columnList})
      SELECT task_id, ${columnList} FROM claimed, json_populate_record(NULL::tasks, $3)
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

/** Kept instead of the body. The key is part of it, so equal tasks have different hashes. */
function hashOf(key: string, task: NewTask): Buffer {
  return hash('sha256', [key, ...Object.values(task)].join('\0'), 'buffer');
}

const tenMinutes = 600_000; // milliseconds

/** Deletes old keys at once and every ten minutes after that, even if no new key arrives. */
export function startForgetting(db: Db, log: Logger, interval = tenMinutes): NodeJS.Timeout {
  const forget = () => {
    forgetOldKeys(db).catch((error: Error) =>
      log.warn(`cannot delete old idempotency keys: ${error.message}`),
    );
  };
  forget();
  return setInterval(forget, interval).unref();
}

const batch = 1_000; // rows per statement, to keep it short

/** Deletes keys older than 24 hours, except one that a request is reusing right now. */
export async function forgetOldKeys(db: Db): Promise<void> {
  let forgotten = [];
  do {
    forgotten = await db.write({
      name: 'forget-keys',
      text: `
        DELETE FROM idempotency_keys WHERE key IN (
          SELECT key FROM idempotency_keys WHERE created_at < now() - interval '24 hours'
          ORDER BY created_at LIMIT $1 FOR UPDATE SKIP LOCKED)
        RETURNING key`,
      values: [batch],
    });
  } while (forgotten.length === batch);
}
