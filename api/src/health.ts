import type { RequestHandler } from 'express';
import type { Db } from './db.ts';
import { DatabaseUnavailable } from './db-errors.ts';

/** Readiness: 200 only while a query on the tasks table works and the process is not about to end. */
export function healthz(db: Db, isDraining: () => boolean): RequestHandler {
  return async (_req, res) => {
    const unhealthy = (reason: string) => res.status(503).json({ status: 'unhealthy', reason });
    if (isDraining()) return void unhealthy('shutting down');
    try {
      await db.read({ name: 'health', text: 'SELECT id FROM tasks LIMIT 1', values: [] });
      res.json({ status: 'healthy' });
    } catch (error) {
      if (error instanceof Error) res.locals.error = error; // only the log tells the cause
      unhealthy(error instanceof DatabaseUnavailable ? 'database unreachable' : 'tasks table not readable');
    }
  };
}

/** Liveness: the process answers. Never asks the database, whose absence is no reason to restart the API. */
export const livez: RequestHandler = (_req, res) => {
  res.json({ status: 'alive' });
};
