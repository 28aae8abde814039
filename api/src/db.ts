import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import type { Logger } from 'pino';
import type { Config } from './config.ts';
import {
  connectionError,
  DatabaseUnavailable,
  isReadOnly,
  OutcomeUnknown,
  refusal,
} from './db-errors.ts';
import { explain } from './explain.ts';
import {
  type Connections,
  connections,
  type Kind,
  openPools,
  type Pools,
  usageOf,
} from './pool.ts';

/** One SQL statement. A name makes it a prepared statement: the same name needs the same text. */
export interface Statement {
  name: string;
  text: string;
  values: unknown[];
  /** Which connections it uses. Default: `list` for a read, `change` for a write. */
  kind?: Kind;
}

/** The database as the rest of the API sees it. Each statement is its own transaction. */
export interface Db {
  /** Runs a statement that changes nothing. Throws DatabaseUnavailable, or the SQL error. */
  read<Row extends pg.QueryResultRow>(statement: Statement): Promise<Row[]>;
  /** Runs a statement that changes rows, and commits it. Also throws OutcomeUnknown. */
  write<Row extends pg.QueryResultRow>(statement: Statement): Promise<Row[]>;
  /** How the connections are used now. */
  connections(): Record<Kind, Connections>;
  /** How many statements have asked for a connection so far, and how long they have waited. */
  waits(): { count: number; seconds: number };
  close(): Promise<void>;
}

/** What to throw when the connection dies during the statement. */
type Lost = typeof DatabaseUnavailable | typeof OutcomeUnknown;

export function openDb(config: Config, log: Logger): Db {
  const pools = openPools(config, log);
  const live = new LiveConnections(pools, config.DB_PASS_FILE !== undefined);

  async function run<Row extends pg.QueryResultRow>(
    statement: Statement,
    kind: Kind,
    Lost: Lost,
  ): Promise<Row[]> {
    const client = await live.connect(kind);
    const startedAt = performance.now();
    try {
      const { rows } = await client.query<Row>(statement);
      client.release();
      return rows;
    } catch (cause) {
      const isAnswered = cause instanceof pg.DatabaseError;
      const isRefused = isAnswered && (await isUsable(client));
      // Never reuse the connection if the statement may still be running, or if the server takes no
      // writes: after a failover, it is the former primary.
      client.release(!isRefused || isReadOnly(cause));
      if (isRefused) throw refusal(cause);
      if (!isAnswered) live.replaceOpenedBefore(startedAt);
      throw new Lost(explain(cause));
    }
  }

  return {
    read: (statement) => run(statement, statement.kind ?? 'list', DatabaseUnavailable),
    write: (statement) => run(statement, statement.kind ?? 'change', OutcomeUnknown),
    connections: () => usageOf(pools),
    waits: () => ({ ...live.waits }),
    close: async () => void (await Promise.all(Object.values(pools).map((pool) => pool.end()))),
  };
}

/**
 * After an ERROR the connection still works. After a FATAL or PANIC it is closed, and a commit may
 * have been under way. pg reports the severity only as translated by lc_messages, so an empty
 * query tests the connection instead.
 */
async function isUsable(client: pg.PoolClient): Promise<boolean> {
  const empty: pg.QueryConfig & pg.ClientConfig = { text: '', query_timeout: 3_000 };
  try {
    await client.query(empty);
    return true;
  } catch {
    return false;
  }
}

// scripts/rotate-password.sh changes the role first, and the file a moment later.
const passwordRetries = { times: 4, pauseMs: 250 };

/** Hands out connections, except for those that are probably dead. */
class LiveConnections {
  readonly waits = { count: 0, seconds: 0 };
  readonly #pools: Pools;
  readonly #retries: number;
  readonly #openedAt = new WeakMap<pg.PoolClient, number>();
  #lostAt = 0;

  constructor(pools: Pools, passwordMayChange: boolean) {
    this.#pools = pools;
    this.#retries = passwordMayChange ? passwordRetries.times : 0;
    for (const pool of Object.values(pools)) {
      pool.on('connect', (client) => this.#openedAt.set(client, performance.now()));
    }
  }

  /** Waits for a connection. The caller releases it. */
  async connect(kind: Kind): Promise<pg.PoolClient> {
    const askedAt = performance.now();
    try {
      for (;;) {
        const client = await this.#connectWithRetries(this.#pools[kind]);
        if ((this.#openedAt.get(client) ?? 0) >= this.#lostAt) return client;
        client.release(true);
      }
    } catch (cause) {
      throw connectionError(cause, `${connections[kind]} connections for ${kind}`);
    } finally {
      this.waits.count++;
      this.waits.seconds += (performance.now() - askedAt) / 1_000;
    }
  }

  async #connectWithRetries(pool: pg.Pool): Promise<pg.PoolClient> {
    for (let left = this.#retries; ; left--) {
      try {
        return await pool.connect();
      } catch (cause) {
        const isRefused = cause instanceof pg.DatabaseError && cause.code === '28P01';
        if (!isRefused || left === 0) throw cause;
        await sleep(passwordRetries.pauseMs);
      }
    }
  }

  /**
   * When a connection dies during a statement without a word from the server, connections opened
   * before the statement are usually dead too. They are replaced, because each would make another
   * statement wait until it times out.
   */
  replaceOpenedBefore(time: number): void {
    this.#lostAt = Math.max(this.#lostAt, time);
  }
}
