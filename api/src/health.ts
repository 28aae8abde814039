import type { RequestHandler } from 'express';
import type { Db } from './db.ts';
import { DatabaseUnavailable } from './db-errors.ts';

// What the API uses, so that a database older than the code is not healthy. Each table has a line.
const usedColumns = {
  tasks: ['id', 'title', 'status', 'created_at'],
  idempotency_keys: ['key', 'task_id', 'title', 'status', 'created_at'],
};
const readable = Object.entries(usedColumns).map(([table, columns]) => {
  const qualified = columns.map((column) => `${table}.${column}`); // an error names both
  return `EXISTS (SELECT ${qualified.join(', ')} FROM ${table})`;
});
const query = `SELECT ${readable.join(', ')}`;

/** Readiness: 200 only while the tables can be read and the process is not about to end. */
export function healthz(db: Db, isDraining: () => boolean): RequestHandler {
  return async (_req, res) => {
    const unhealthy = (reason: string) => res.status(503).json({ status: 'unhealthy', reason });
    if (isDraining()) return void unhealthy('shutting down');
    try {
      await db.read({ name: 'health', text: query, values: [] });
      res.json({ status: 'healthy' });
    } catch (error) {
      if (isOutdated(error)) {
        const cause = `${error.message}: scripts/apply-schema.sh mends that`;
        res.locals.error = new SchemaOutdated(cause);
        return void unhealthy('schema is incomplete or older than the code');
      }
      if (error instanceof Error) res.locals.error = error; // only the log tells the cause
      unhealthy(error instanceof DatabaseUnavailable ? 'database unreachable' : 'tasks table not readable');
    }
  };
}

class SchemaOutdated extends DatabaseUnavailable {
  override name = 'SchemaOutdated';
}

/** Undefined table, undefined column. */
function isOutdated(error: unknown): error is Error {
  if (!(error instanceof Error && 'code' in error)) return false;
  return error.code === '42P01' || error.code === '42703';
}

/** Liveness: the process answers. Never asks the database, whose absence is no reason to restart the API. */
export const livez: RequestHandler = (_req, res) => {
  res.json({ status: 'alive' });
};
