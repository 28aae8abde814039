import { randomUUID } from 'node:crypto';
import type { Request, RequestHandler, Response } from 'express';
import type { Logger } from 'pino';
import { DatabaseUnavailable, OutcomeUnknown } from './db-errors.ts';
import type { Metrics } from './metrics.ts';

/**
 * One log line and one count per request, and the X-Request-Id that finds the line. The id is the
 * one that the proxy or the client gave, if it is well-formed.
 */
export function requestLog(log: Logger, metrics: Metrics): RequestHandler {
  return (req, res, next) => {
    const startedAt = performance.now();
    res.locals.startedAt = startedAt;
    const ended = metrics.requestStarted(req);
    const id = requestId(req);
    res.setHeader('X-Request-Id', id);

    // 'close' comes after the last byte, or earlier if the client goes away.
    res.on('close', () => {
      const isAnswered = res.writableFinished;
      const status = isAnswered ? res.statusCode : 499; // nginx's code for a lost client
      ended(status);
      const line = {
        request_id: id,
        req: { method: req.method, url: req.originalUrl },
        res: { status },
        duration_ms: Math.round(performance.now() - startedAt),
        ...cause(res.locals.error),
      };
      const message = isAnswered ? 'request completed' : 'request aborted';
      log[levelOf(req, res)](line, message);
    });
    next();
  };
}

function requestId(req: Request): string {
  const given = req.headers['x-request-id'];
  const isWellFormed = typeof given === 'string' && /^[A-Za-z0-9_-]{16,64}$/.test(given);
  return isWellFormed ? given : randomUUID();
}

const probes = new Set(['/healthz', '/livez', '/metrics']);

function levelOf(req: Request, res: Response): 'error' | 'info' | 'trace' {
  const isRefusal = res.statusCode === 502; // we shut down, and another replica answers instead
  if (res.statusCode >= 500 && !isRefusal) return 'error';
  return probes.has(req.path) ? 'trace' : 'info';
}

/** An unreachable database is not a bug: log one line, no stack. */
function cause(error: Error | undefined): object {
  if (!error) return {};
  const isExplained = error instanceof DatabaseUnavailable || error instanceof OutcomeUnknown;
  return isExplained ? { cause: `${error.name}: ${error.message}` } : { err: error };
}
