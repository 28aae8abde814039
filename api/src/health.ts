import type { RequestHandler } from 'express';
import { DatabaseUnavailable, type Db } from './db.ts';

/** Readiness: 200 only while a query on the tasks table works and the process is not about to end. */
export function healthz(db: Db, isDraining: () => boolean): RequestHandler {
  return async (_req, res) => {
    const reason = isDraining() ? 'shutting down' : await findFault(db);
    if (reason === undefined) res.json({ status: 'healthy' });
    else res.status(503).json({ status: 'unhealthy', reason });
  };
}

/** Liveness: the process answers. Never asks the database, whose absence is no reason to restart the API. */
export const livez: RequestHandler = (_req, res) => {
  res.json({ status: 'alive' });
};

async function findFault(db: Db): Promise<string | undefined> {
  try {
    await db.read({ name: 'health', text: 'SELECT id FROM tasks LIMIT 1', values: [] });
    return undefined;
  } catch (error) {
    return error instanceof DatabaseUnavailable ? 'database unreachable' : 'tasks table not readable';
  }
}
