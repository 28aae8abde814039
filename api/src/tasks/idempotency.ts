import type { Logger } from 'pino';
import type { Db } from '../db.ts';

/** How long an Idempotency-Key is valid. store.ts stores and finds keys; this file deletes them. */
export const keyLifetime = "interval '24 hours'";

const tenMinutes = 600_000; // milliseconds

/** Deletes old keys at once and every ten minutes after that, even if no new key arrives. */
export function startDeletingOldKeys(db: Db, log: Logger, interval = tenMinutes): NodeJS.Timeout {
  const deleteKeys = () => {
    deleteOldKeys(db).catch((error: Error) =>
      log.warn(`cannot delete old idempotency keys: ${error.message}`),
    );
  };
  deleteKeys();
  return setInterval(deleteKeys, interval).unref();
}

const batch = 1_000; // rows per statement, to keep it short

/** Deletes keys that are no longer valid, except one that a request is reusing right now. */
export async function deleteOldKeys(db: Db): Promise<void> {
  let deleted = [];
  do {
    deleted = await db.write({
      name: 'delete-old-keys',
      text: `
        DELETE FROM idempotency_keys WHERE key IN (
          SELECT key FROM idempotency_keys WHERE created_at < now() - ${keyLifetime}
          ORDER BY created_at LIMIT $1 FOR UPDATE SKIP LOCKED)
        RETURNING key`,
      values: [batch],
    });
  } while (deleted.length === batch);
}
