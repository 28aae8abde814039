import { createHash, randomUUID, timingSafeEqual } from 'node:crypto';
import express, { type Express, type Request, type RequestHandler } from 'express';
import type { Logger } from 'pino';
import { Registry } from 'prom-client';
import type { Db } from './db.ts';
import { DatabaseUnavailable, OutcomeUnknown } from './db-errors.ts';
import { docsRoutes } from './docs.ts';
import { errorHandler, HttpError, methodNotAllowed, notFound } from './errors.ts';
import { healthz, livez } from './health.ts';
import { type Metrics, openMetrics } from './metrics.ts';
import { endpoints } from './openapi.ts';
import { parseQuery } from './query.ts';
import { taskRoutes } from './tasks/routes.ts';
import { openSharedTaskStore } from './tasks/shared-store.ts';
import type { TaskStore } from './tasks/store.ts';

/** A draining process answers and asks to close; a leaving one sends the proxy to another replica. */
export type Phase = 'serving' | 'draining' | 'leaving';

export interface AppOptions {
  db: Db;
  /** What answers for the tasks; the database unless given. */
  store?: TaskStore;
  log: Logger;
  version: string;
  /** If set, /api wants `Authorization: Bearer <token>`. */
  apiToken?: string | undefined;
  /** What tells this replica from the others, for the header X-Served-By. */
  replica?: string | undefined;
  /** Handlers that a request meets before the routes. */
  before?: RequestHandler[];
  /** Whether the process was told to end, and how far it is. */
  phase?: () => Phase;
  /** Where GET /metrics takes its answer from; one of its own unless given. */
  registry?: Registry;
}

/** The application without a port or a process: a request meets what is below from top to bottom. */
export function createApp(options: AppOptions): Express {
  const {
    db,
    store,
    log,
    version,
    apiToken,
    replica,
    before,
    phase = () => 'serving',
    registry = new Registry(),
  } = options;
  const metrics = openMetrics(registry, db);
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag'); // hashing each answer would cost more than it saves; a page of the list is hashed once for all who share it
  app.enable('case sensitive routing');
  app.enable('strict routing');
  app.set('trust proxy', 1); // nginx is the one hop in front
  app.set('query parser', parseQuery);

  app.use(requestLog(log, metrics, phase));
  app.use((_req, res, next) => {
    res.set('Cache-Control', 'no-store');
    if (replica !== undefined) res.set('X-Served-By', replica);
    if (phase() !== 'serving') res.set('Connection', 'close'); // so that the proxy opens its next connection elsewhere
    // The one 502 of the API: nginx then asks another replica, whatever the method is.
    if (phase() === 'leaving') throw new HttpError(502, 'The API is shutting down');
    next();
  });

  if (before) app.use(before);
  const get = 'GET, HEAD';
  app
    .route('/healthz')
    .get(healthz(db, () => phase() !== 'serving'))
    .all(methodNotAllowed(get));
  app.route('/livez').get(livez).all(methodNotAllowed(get));
  app.route('/metrics').get(metrics.handler).all(methodNotAllowed(get));
  app.route('/').get(index(version)).all(methodNotAllowed(get));

  app.use(docsRoutes(version, apiToken !== undefined));
  if (apiToken !== undefined) app.use('/api', requireToken(apiToken));
  app.use(taskRoutes(store ?? openSharedTaskStore(db, metrics.batchStarted)));

  app.use(notFound);
  app.use(errorHandler);
  return app;
}

/** One log line and one count per request, and the X-Request-Id that finds it: the proxy's or the client's if it is well-formed. */
function requestLog(log: Logger, metrics: Metrics, phase: () => Phase): RequestHandler {
  return (req, res, next) => {
    const startedAt = performance.now();
    res.locals.startedAt = startedAt;
    const ended = metrics.requestStarted(req);
    const given = req.headers['x-request-id'];
    const id =
      typeof given === 'string' && /^[A-Za-z0-9_-]{16,64}$/.test(given) ? given : randomUUID();
    res.setHeader('X-Request-Id', id);

    // 'close' comes after the last byte, or when the client is gone before.
    res.on('close', () => {
      const isAnswered = res.writableFinished;
      const status = isAnswered ? res.statusCode : 499; // nginx's code for a lost client
      ended(status);
      const { error } = res.locals;
      const isFailed = res.statusCode >= 500 && phase() !== 'leaving';
      const level = isFailed ? 'error' : isProbe(req) ? 'trace' : 'info';
      const line = {
        request_id: id,
        req: { method: req.method, url: req.originalUrl },
        res: { status },
        duration_ms: Math.round(performance.now() - startedAt),
        ...(error && describe(error)),
      };
      log[level](line, isAnswered ? 'request completed' : 'request aborted');
    });
    next();
  };
}

const probes = new Set(['/healthz', '/livez', '/metrics']);
const isProbe = (req: Request) => probes.has(req.path);

/** That the database is away is no fault of the code: one sentence, and no stack for each request. */
function describe(error: Error): object {
  const isExplained = error instanceof DatabaseUnavailable || error instanceof OutcomeUnknown;
  return isExplained ? { cause: `${error.name}: ${error.message}` } : { err: error };
}

function index(version: string): RequestHandler {
  const description = { application: 'Task API', version, endpoints };
  return (_req, res) => {
    res.vary('Accept').json(description);
  };
}

/** Hashes make the two sides equally long, which the comparison in constant time needs. */
function requireToken(token: string): RequestHandler {
  const hash = (text: string) => createHash('sha256').update(text).digest();
  const expected = hash(token);
  return (req, _res, next) => {
    const given = /^Bearer +(.+)$/i.exec(req.headers.authorization ?? '')?.[1];
    if (given !== undefined && timingSafeEqual(hash(given), expected)) return next();
    throw new HttpError(401, 'A valid API token is required', {
      'WWW-Authenticate': 'Bearer realm="taskapp"',
    });
  };
}
