import type { Request, RequestHandler } from 'express';
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { Db } from './db.ts';
import type { Connections } from './pool.ts';

/** What the API measures of its own work. */
export interface Metrics {
  /** Call it for each request. Call requestEnded when the request ends. */
  requestStarted: () => void;
  requestEnded: (req: Request, status: number, seconds: number) => void;
  /** Records how many requests a statement serves. */
  batchStarted: (statement: string, size: number) => void;
  /** Answers GET /metrics. */
  handler: RequestHandler;
}

/** Registers the metrics. start.ts adds those of the process. */
export function openMetrics(registry: Registry, db: Db): Metrics {
  const requests = requestMetrics(registry);
  connectionMetrics(registry, db);
  const batches = new Histogram({
    name: 'db_batch_size',
    help: 'Number of requests that each statement served',
    labelNames: ['statement'],
    buckets: [1, 2, 5, 10, 20, 50, 100, 200],
    registers: [registry],
  });
  return {
    ...requests,
    batchStarted: (statement, size) => batches.observe({ statement }, size),
    handler: async (_req, res) => {
      res.set('Content-Type', registry.contentType).end(await registry.metrics());
    },
  };
}

// A client can make up methods and paths, and each label value stays in memory. So the labels hold
// only known methods and the patterns of routes.
const methods = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);
const methodOf = ({ method }: Request) => (methods.has(method) ? method : 'other');

function routeOf({ route }: Request): string {
  const path: unknown = (route as { path?: unknown } | undefined)?.path;
  return typeof path === 'string' ? path : 'none';
}

function requestMetrics(registry: Registry): Pick<Metrics, 'requestStarted' | 'requestEnded'> {
  const registers = [registry];
  const requests = new Histogram({
    name: 'http_request_duration_seconds',
    help: 'Duration of requests in seconds, by route; "none" for requests that reached no route',
    labelNames: ['method', 'route', 'status'],
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
    registers,
  });
  const inFlight = new Gauge({
    name: 'http_requests_in_flight',
    help: 'Requests that are not answered yet, this one included',
    registers,
  });
  return {
    requestStarted: () => inFlight.inc(),
    requestEnded: (req, status, seconds) => {
      inFlight.dec();
      requests.observe({ method: methodOf(req), route: routeOf(req), status }, seconds);
    },
  };
}

function connectionMetrics(registry: Registry, db: Db): void {
  const registers = [registry];
  const gauge = (name: string, help: string, value: keyof Connections) =>
    new Gauge({
      name,
      help,
      labelNames: ['kind'],
      registers,
      collect() {
        for (const [kind, used] of Object.entries(db.connections()))
          this.set({ kind }, used[value]);
      },
    });
  const counter = (name: string, help: string, value: () => number) =>
    new Counter({
      name,
      help,
      registers,
      collect() {
        this.reset();
        this.inc(value());
      },
    });

  gauge('db_pool_connections_max', 'Connections that may be open to the database', 'max');
  gauge('db_pool_connections_open', 'Connections that are open to the database', 'open');
  gauge('db_pool_connections_idle', 'Open connections that no statement uses', 'idle');
  gauge('db_pool_waiting', 'Statements that are waiting for a connection', 'waiting');
  const waits = 'db_pool_waits_total';
  counter(waits, 'Statements that asked for a connection', () => db.waits().count);
  const seconds = 'db_pool_wait_seconds_total';
  counter(seconds, 'Seconds that statements waited for a connection', () => db.waits().seconds);
}
