import express, { type Express, type RequestHandler } from 'express';
import type { Logger } from 'pino';
import { Registry } from 'prom-client';
import type { Db } from './db.ts';
import { docsRoutes, isDocs } from './docs.ts';
import { errorHandler, methodNotAllowed, notFound } from './errors.ts';
import { healthz, livez } from './health.ts';
import { openMetrics } from './metrics.ts';
import { commonHeaders, requestLog, requireToken } from './middleware.ts';
import { endpoints } from './openapi.ts';
import { parseQuery } from './query.ts';
import type { Phase } from './shutdown.ts';
import { taskRoutes } from './tasks/routes.ts';
import { openSharedTaskStore } from './tasks/shared-store.ts';
import type { TaskStore } from './tasks/store.ts';

export interface AppOptions {
  db: Db;
  /** Where the tasks are. Default: in `db`. */
  store?: TaskStore;
  log: Logger;
  version: string;
  /** If set, /api requires one of them as `Authorization: Bearer`, except for the documentation. */
  apiTokens?: string[] | undefined;
  /** The name of this replica, for X-Served-By. */
  replica?: string | undefined;
  /** Handlers that run before the routes. */
  before?: RequestHandler[];
  /** The phase of the shutdown. Default: serving. */
  phase?: () => Phase;
  /** The metrics that GET /metrics reports. Default: a new registry. */
  registry?: Registry;
}

/**
 * The application without a port or a process. A request goes through the handlers from top to
 * bottom.
 */
export function createApp(options: AppOptions): Express {
  const { db, log, version, apiTokens, replica, before, phase = () => 'serving' } = options;
  const metrics = openMetrics(options.registry ?? new Registry(), db);
  const store = options.store ?? openSharedTaskStore(db, metrics.batchStarted);
  const app = expressApp();
  const get = (path: string, handler: RequestHandler) =>
    app.route(path).get(handler).all(methodNotAllowed('GET, HEAD'));

  app.use(requestLog(log, metrics));
  app.use(commonHeaders(phase, replica));
  if (before) app.use(before);

  if (apiTokens) app.use('/api', requireToken(apiTokens, isDocs));
  app.use(taskRoutes(store)); // before the routes that few requests need

  app.use(docsRoutes(version, apiTokens !== undefined));
  const isDraining = () => phase() !== 'serving';
  get('/healthz', healthz(db, isDraining));
  get('/livez', livez);
  get('/metrics', metrics.handler);
  get('/', index(version));

  app.use(notFound);
  app.use(errorHandler);
  return app;
}

function expressApp(): Express {
  const app = express();
  app.disable('x-powered-by');
  // Hashing every response costs too much. The store hashes each page of the list once.
  app.disable('etag');
  app.enable('case sensitive routing');
  app.enable('strict routing');
  app.set('trust proxy', 1); // nginx is the only hop in front
  app.set('query parser', parseQuery);
  return app;
}

function index(version: string): RequestHandler {
  const description = { application: 'Task API', version, endpoints };
  return (_req, res) => {
    res.vary('Accept').json(description);
  };
}
