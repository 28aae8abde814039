import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import type { Logger } from 'pino';
import { type Config, dbPassword, dbSsl } from './config.ts';
import {
  DatabaseBusy,
  DatabaseUnavailable,
  explain,
  LockTimeout,
  OutcomeUnknown,
  SchemaOutdated,
} from './db-errors.ts';

/**
 * The most connections that each kind of statement may have. No kind uses another's, so a locked
 * row or a slow search does not stop the rest of the API.
 */
export const connections = { list: 4, search: 2, get: 3, create: 3, change: 4, health: 2 };
export type Kind = keyof typeof connections;
const kinds = Object.keys(connections) as Kind[];

/** One SQL statement. The name makes it a prepared statement: equal names must have equal texts. */
export interface Statement {
  name: string;
  text: string;
  values: unknown[];
  /** Whose connections it uses. Default: `list` for a read, `change` for a write. */
  kind?: Kind;
}

/** The connections of one kind of statement. */
export interface Connections {
  max: number;
  open: number;
  /** Open and unused. */
  idle: number;
  /** Statements that wait for a connection. */
  waiting: number;
}

/** The database as the rest of the API sees it: one statement at a time, each its own transaction. */
export interface Db {
  /** Runs a statement that changes nothing. Throws DatabaseUnavailable, or the SQL error. */
  read<Row extends pg.QueryResultRow>(statement: Statement): Promise<Row[]>;
  /** Runs a statement that changes rows; returned means committed. Throws like read, and OutcomeUnknown. */
  write<Row extends pg.QueryResultRow>(statement: Statement): Promise<Row[]>;
  /** How the connections are used now. */
  connections(): Record<Kind, Connections>;
  /** How many statements asked for a connection since the start, and how long they waited. */
  waits(): { count: number; seconds: number };
  close(): Promise<void>;
}

// Each wait is shorter than the one around it, so the innermost reports what happened:
// lock 2 s < statement 5 s < query 6 s < API 9 s (1 s for its turn, 2 s for a connection, then 6 s) < nginx 10 s < drain 20 s < stop 30 s.
const timeouts = {
  lock_timeout: 2_000,
  statement_timeout: 5_000,
  query_timeout: 6_000, // ours: also ends the wait for a server that does not answer at all
  connectionTimeoutMillis: 2_000, // for a new connection, or for a free one
  idle_in_transaction_session_timeout: 10_000,
};

// SQLSTATEs that say "not now": the server rolled the statement back, and it may succeed later. By class: serialization
// failure and deadlock, out of disk, memory or connections, a statement timeout, a read-only standby.
const transient = /^(40|53|57014|25006)/;
const isTransient = ({ code }: pg.DatabaseError) => transient.test(code ?? '');

// The sequence of tasks.id is behind the rows, or exhausted. Only an operator can fix that.
const hasNoId = ({ code, constraint }: pg.DatabaseError) =>
  code === '2200H' || (code === '23505' && constraint === 'tasks_pkey');

// An undefined table or column: the volume, or the dump restored into it, is older than the code.
const isOutdated = ({ code }: pg.DatabaseError) => code === '42P01' || code === '42703';

// What pg-pool says when no connection became free in time. A server that is away says other things.
const poolIsBusy = (cause: unknown) =>
  cause instanceof Error && cause.message === 'timeout exceeded when trying to connect';

// scripts/rotate-password.sh changes the role, and the file a moment later.
const passwordRetries = { times: 4, pause: 250 }; // milliseconds

/** Opens a pool per kind. Each connects on first use, and again after an outage of the database. */
export function openDb(config: Config, log: Logger): Db {
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
  const openedAt = new WeakMap<pg.PoolClient, number>();
  const pools = ofEach((kind) => openPool(connections[kind]));

  function openPool(max: number): pg.Pool {
    const pool = new pg.Pool({ ...options, max });
    // Without these two handlers a database restart would crash the process. The first covers idle
    // connections, the second those in use.
    pool.on('error', (err) => log.warn(`idle database connection lost: ${explain(err)}`));
    pool.on('connect', (client) => {
      openedAt.set(client, performance.now());
      client.on('error', () => {});
    });
    return pool;
  }

  // When a connection dies without a word from the server, those opened before it are usually dead
  // too: the machine or the network is gone. Replace them, or each costs one statement a timeout.
  let lostAt = 0;
  async function connect(pool: pg.Pool): Promise<pg.PoolClient> {
    for (;;) {
      const client = await withPasswordRetries(() => pool.connect());
      if ((openedAt.get(client) ?? 0) >= lostAt) return client;
      client.release(true);
    }
  }

  async function withPasswordRetries<Result>(open: () => Promise<Result>): Promise<Result> {
    for (let left = config.DB_PASS_FILE === undefined ? 0 : passwordRetries.times; ; left--) {
      try {
        return await open();
      } catch (cause) {
        const isRefused = cause instanceof pg.DatabaseError && cause.code === '28P01';
        if (!isRefused || left === 0) throw cause;
        await sleep(passwordRetries.pause);
      }
    }
  }

  let waits = 0;
  let waitedMs = 0;

  async function run<Row extends pg.QueryResultRow>(
    statement: Statement,
    kind: Kind,
    Lost: typeof DatabaseUnavailable | typeof OutcomeUnknown,
  ): Promise<Row[]> {
    const pool = pools[kind];
    let client: pg.PoolClient;
    const askedAt = performance.now();
    try {
      client = await connect(pool);
    } catch (cause) {
      if (poolIsBusy(cause)) {
        throw new DatabaseBusy(`all ${pool.options.max} connections for ${kind} are in use`);
      }
      if (cause instanceof pg.DatabaseError && isTransient(cause)) {
        throw new DatabaseBusy(explain(cause));
      }
      throw new DatabaseUnavailable(explain(cause));
    } finally {
      waits++;
      waitedMs += performance.now() - askedAt;
    }
    const startedAt = performance.now();
    try {
      const { rows } = await client.query<Row>(statement);
      client.release();
      return rows;
    } catch (cause) {
      const answered = cause instanceof pg.DatabaseError;
      // After an ERROR the connection still works. After a FATAL or a PANIC it is closed, and a
      // commit may have been under way. Only a try tells: lc_messages translates the severity.
      const refused = answered && (await takesStatements(client));
      // Unless refused, the server may still be working on it: never reuse the connection.
      client.release(!refused);
      if (!refused) {
        if (!answered) lostAt = Math.max(lostAt, startedAt);
        throw new Lost(explain(cause));
      }
      if (cause.code === '55P03') throw new LockTimeout(explain(cause), cause.where);
      if (isTransient(cause)) throw new DatabaseBusy(explain(cause));
      if (isOutdated(cause)) throw new SchemaOutdated(explain(cause));
      if (hasNoId(cause)) throw new DatabaseUnavailable(explain(cause));
      throw cause;
    }
  }

  return {
    read: (statement) => run(statement, statement.kind ?? 'list', DatabaseUnavailable),
    write: (statement) => run(statement, statement.kind ?? 'change', OutcomeUnknown),
    connections: () => ofEach((kind) => connectionsOf(pools[kind])),
    waits: () => ({ count: waits, seconds: waitedMs / 1_000 }),
    close: async () => {
      await Promise.all(kinds.map((kind) => pools[kind].end()));
    },
  };
}

/** One value per kind. */
function ofEach<Value>(value: (kind: Kind) => Value): Record<Kind, Value> {
  const entries = kinds.map((kind) => [kind, value(kind)] as const);
  return Object.fromEntries(entries) as Record<Kind, Value>;
}

const connectionsOf = (pool: pg.Pool): Connections => ({
  max: pool.options.max,
  open: pool.totalCount,
  idle: pool.idleCount,
  waiting: pool.waitingCount,
});

async function takesStatements(client: pg.PoolClient): Promise<boolean> {
  try {
    await client.query(''); // an empty statement
    return true;
  } catch {
    return false;
  }
}
