import type { RequestHandler } from 'express';
import type { Db } from './db.ts';
import { DatabaseBusy, DatabaseUnavailable, SchemaOutdated } from './db-errors.ts';
import { connections } from './pool.ts';
import { share } from './share.ts';
import { columns } from './tasks/schema.ts';

// Every column that the API uses. A database without one of them is older than the code.
const usedColumns = {
  tasks: ['id', ...columns, 'created_at'],
  idempotency_keys: ['key', 'request', 'task_id', 'created_at'],
};
const readable = Object.entries(usedColumns).map(([table, names]) => {
  const qualified = names.map((column) => `${table}."${column}"`); // errors then name the table
  return `EXISTS (SELECT ${qualified.join(', ')} FROM ${table})`;
});
const text = `SELECT ${readable.join(', ')}`;

/**
 * Readiness: 200 only while the tables can be read and the process is not shutting down. The query
 * has its own connections, so a busy replica stays in service: removing it would burden the others.
 */
export function healthz(db: Db, isDraining: () => boolean): RequestHandler {
  const check = share<void, void>(
    async (requests) => {
      await db.read({ name: 'health', text, values: [], kind: 'health' });
      return requests;
    },
    { maxInFlight: connections.health },
  );

  return async (_req, res) => {
    const unhealthy = (reason: string) => res.status(503).json({ status: 'unhealthy', reason });
    if (isDraining()) return void unhealthy('shutting down');
    try {
      await check();
      res.json({ status: 'healthy' });
    } catch (error) {
      if (error instanceof Error) res.locals.error = error; // for the log only
      unhealthy(reasonOf(error));
    }
  };
}

function reasonOf(error: unknown): string {
  if (error instanceof SchemaOutdated) return 'schema is incomplete or older than the code';
  if (error instanceof DatabaseBusy) return 'database busy';
  if (error instanceof DatabaseUnavailable) return 'database unreachable';
  return 'a table is not readable';
}

/** Liveness: the process answers. A missing database is no reason to restart the API. */
export const livez: RequestHandler = (_req, res) => {
  res.json({ status: 'alive' });
};
