import pg from 'pg';
import type { Logger } from 'pino';
import { type Config, dbPassword, dbSsl } from './config.ts';
import { explain } from './explain.ts';

/**
 * The most connections that each kind of statement may have. No kind uses another's, so a locked
 * row or a slow search does not stop the rest of the API.
 */
export const connections = { list: 4, search: 2, get: 3, create: 3, change: 4, health: 2 };
export type Kind = keyof typeof connections;
export type Pools = Record<Kind, pg.Pool>;

/** The connections of one kind of statement. */
export interface Connections {
  max: number;
  open: number;
  /** Open and unused. */
  idle: number;
  /** Statements that wait for a connection. */
  waiting: number;
}

// Each wait is shorter than the one around it:
// lock 2 s < statement 5 s < query 6 s < API 9 s < nginx 10 s < drain 20 s < kill 30 s.
// So the innermost gives up first, and its error says what it waited for. The API's 9 s are 1 s for
// a turn, 2 s for a connection and 6 s for the query. A POST with a key may need two queries; if
// both are slow, nginx gives up on it.
const timeouts = {
  lock_timeout: 2_000,
  statement_timeout: 5_000,
  query_timeout: 6_000, // measured in this process, so it also covers a silent server
  connectionTimeoutMillis: 2_000, // for a new connection, or for a free one
  idle_in_transaction_session_timeout: 10_000,
};

/** A pool per kind. Each connects on first use, and again after an outage of the database. */
export function openPools(config: Config, log: Logger): Pools {
  const options: pg.PoolConfig = {
    host: config.DB_HOST,
    port: config.DB_PORT,
    database: config.DB_NAME,
    user: config.DB_USER,
    password: () => dbPassword(config),
    ssl: dbSsl(config),
    application_name: 'taskapp-api',
    idleTimeoutMillis: 30_000,
    keepAlive: true,
    ...timeouts,
  };
  return ofEach((kind) => openPool({ ...options, max: connections[kind] }, log));
}

function openPool(options: pg.PoolConfig, log: Logger): pg.Pool {
  const pool = new pg.Pool(options);
  // Without these two handlers a database restart would crash the process. The first covers idle
  // connections, the second those in use.
  pool.on('error', (err) => log.warn(`idle database connection lost: ${explain(err)}`));
  pool.on('connect', (client) => client.on('error', () => {}));
  return pool;
}

/** How the connections are used now. */
export function usageOf(pools: Pools): Record<Kind, Connections> {
  return ofEach((kind) => {
    const { options, totalCount, idleCount, waitingCount } = pools[kind];
    return { max: options.max, open: totalCount, idle: idleCount, waiting: waitingCount };
  });
}

/** One value per kind. */
function ofEach<Value>(value: (kind: Kind) => Value): Record<Kind, Value> {
  const kinds = Object.keys(connections) as Kind[];
  const entries = kinds.map((kind) => [kind, value(kind)] as const);
  return Object.fromEntries(entries) as Record<Kind, Value>;
}
