import type { Db } from '../db.ts';
import { LockTimeout } from '../db-errors.ts';
import { type Row, taskJson } from './row.ts';
import type { NewTask } from './schema.ts';

/**
 * The key and the task are one statement, so that neither is ever stored without the other. While another transaction has the
 * key and has not ended, the INSERT waits for it. A key older than 24 hours is taken over, and ten more of them are forgotten.
 */
export async function createTaskOnce(db: Db, key: string, { title, status }: NewTask): Promise<Row | 'other task' | 'running'> {
  const [created] = await db
    .write<Row>({
      name: 'create-once',
      text: `
        WITH forgotten AS (
          DELETE FROM idempotency_keys WHERE key IN (
            SELECT key FROM idempotency_keys WHERE created_at < now() - interval '24 hours' AND key <> $1
            ORDER BY created_at LIMIT 10 FOR UPDATE SKIP LOCKED)
        ), claimed AS (
          INSERT INTO idempotency_keys AS old (key, task_id, title, status) VALUES ($1, nextval('tasks_id_seq'), $2, $3)
          ON CONFLICT (key) DO UPDATE
          SET task_id = EXCLUDED.task_id, title = EXCLUDED.title, status = EXCLUDED.status, created_at = EXCLUDED.created_at
          WHERE old.created_at < now() - interval '24 hours'
          RETURNING *
        )
        INSERT INTO tasks (id, title, status, created_at) SELECT task_id, title, status, created_at FROM claimed
        RETURNING id, ${taskJson}`,
      values: [key, title, status],
    })
    .catch((error: unknown) => {
      if (error instanceof LockTimeout && error.where.includes('idempotency_keys')) return [];
      throw error;
    });
  if (created) return created;

  const [made] = await db.read<Row & { same: boolean }>({
    name: 'created-once',
    text: `
      SELECT id, ${taskJson}, title = $2 AND status = $3 AS same
      FROM (SELECT task_id AS id, * FROM idempotency_keys WHERE key = $1) AS made`,
    values: [key, title, status],
  });
  if (!made) return 'running';
  return made.same ? made : 'other task';
}
