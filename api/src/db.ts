import pg from 'pg';
import type { Logger } from 'pino';
import { type Config, dbPassword } from './config.ts';
import { DatabaseUnavailable, explain, LockTimeout, OutcomeUnknown } from './db-errors.ts';

/** One SQL statement. The name makes it a prepared statement: equal names must have equal texts. */
export interface Statement {
  name: string;
  text: string;
  values: unknown[];
}

/** The database as the rest of the API sees it: one statement at a time, each its own transaction. */
export interface Db {
  /** Runs a statement that changes nothing. Throws DatabaseUnavailable, or the SQL error. */
  read<Row extends pg.QueryResultRow>(statement: Statement): Promise<Row[]>;
  /** Runs a statement that changes rows; returned means committed. Throws like read, and OutcomeUnknown. */
  write<Row extends pg.QueryResultRow>(statement: Statement): Promise<Row[]>;
  /** How the pool of connections is used now, and how long statements have waited for one since the start. */
  pool(): { max: number; open: number; idle: number; waiting: number; waits: number; waitedSeconds: number };
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

/** Opens a pool of connections. Connects when first used, and again by itself after the database was away. */
export function openDb(config: Config, log: Logger): Db {
  const pool = new pg.Pool({
    host: config.DB_HOST,
    port: config.DB_PORT,
    database: config.DB_NAME,
    user: config.DB_USER,
    password: () => dbPassword(config),
    application_name: 'taskapp-api',
    max: 10,
    idleTimeoutMillis: 30_000,
    keepAlive: true,
    ...timeouts,
  });
  // Without these two, a database restart ends the process: the first covers idle connections, the second those in use.
  pool.on('error', (err) => log.warn(`idle database connection lost: ${explain(err)}`));
  const openedAt = new WeakMap<pg.PoolClient, number>();
  pool.on('connect', (client) => {
    openedAt.set(client, performance.now());
    client.on('error', () => {});
  });

  // What broke one connection has often broken all of its time, and nobody was told: the server's machine is gone, or what
  // is between. They are replaced then, because each would cost one statement its whole time.
  let lostAt = 0;
  async function connect(): Promise<pg.PoolClient> {
    for (;;) {
      const client = await pool.connect();
      if ((openedAt.get(client) ?? 0) >= lostAt) return client;
      client.release(true);
    }
  }

  let waits = 0;
  let waitedMs = 0;

  async function run<Row extends pg.QueryResultRow>(
    statement: Statement,
    Lost: typeof DatabaseUnavailable | typeof OutcomeUnknown,
  ): Promise<Row[]> {
    let client: pg.PoolClient;
    const askedAt = performance.now();
    try {
      client = await connect();
    } catch (cause) {
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
      // After an ERROR the connection is as good as before. After anything else (FATAL, a timeout, a broken socket) its
      // state is unknown, and the server may still be busy with the statement: it is closed, never used again.
      const refused = cause instanceof pg.DatabaseError && cause.severity === 'ERROR';
      client.release(!refused);
      if (!refused) {
        lostAt = startedAt;
        throw new Lost(explain(cause));
      }
      if (cause.code === '55P03') throw new LockTimeout(explain(cause), cause.where);
      if (transient.test(cause.code ?? '')) throw new DatabaseUnavailable(explain(cause));
      throw cause;
    }
  }

  return {
    read: (statement) => run(statement, DatabaseUnavailable),
    write: (statement) => run(statement, OutcomeUnknown),
    pool: () => ({
      max: pool.options.max,
      open: pool.totalCount,
      idle: pool.idleCount,
      waiting: pool.waitingCount,
      waits,
      waitedSeconds: waitedMs / 1_000,
    }),
    close: () => pool.end(),
  };
}
