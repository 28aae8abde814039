import pg from 'pg';
import type { Logger } from 'pino';
import type { Config } from './config.ts';
import { connectionError, DatabaseUnavailable, OutcomeUnknown, refusal } from './db-errors.ts';
import { explain } from './explain.ts';
import { type Connections, connections, type Kind, Pools } from './pool.ts';

/** One SQL statement. The name makes it a prepared statement: equal names must have equal texts. */
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
  /** How many statements asked for a connection since the start, and how long they waited. */
  waits(): { count: number; seconds: number };
  close(): Promise<void>;
}

/** What to throw when the connection dies during the statement. */
type Lost = typeof DatabaseUnavailable | typeof OutcomeUnknown;

export function openDb(config: Config, log: Logger): Db {
  const pools = new Pools(config, log);
  const waits = { count: 0, seconds: 0 };

  async function connect(kind: Kind): Promise<pg.PoolClient> {
    const askedAt = performance.now();
    try {
      return await pools.connect(kind);
    } catch (cause) {
      throw connectionError(cause, `${connections[kind]} connections for ${kind}`);
    } finally {
      waits.count++;
      waits.seconds += (performance.now() - askedAt) / 1_000;
    }
  }

  async function run<Row extends pg.QueryResultRow>(
    statement: Statement,
    kind: Kind,
    Lost: Lost,
  ): Promise<Row[]> {
    const client = await connect(kind);
    const startedAt = performance.now();
    try {
      const { rows } = await client.query<Row>(statement);
      client.release();
      return rows;
    } catch (cause) {
      const isAnswered = cause instanceof pg.DatabaseError;
      const isRefused = isAnswered && (await takesStatements(client));
      // A statement that was not refused may still be running: never reuse the connection.
      client.release(!isRefused);
      if (isRefused) throw refusal(cause);
      if (!isAnswered) pools.replaceOpenedBefore(startedAt);
      throw new Lost(explain(cause));
    }
  }

  return {
    read: (statement) => run(statement, statement.kind ?? 'list', DatabaseUnavailable),
    write: (statement) => run(statement, statement.kind ?? 'change', OutcomeUnknown),
    connections: () => pools.usage(),
    waits: () => ({ ...waits }),
    close: () => pools.close(),
  };
}

/**
 * After an ERROR the connection still works. After a FATAL or PANIC it is closed, and a commit may
 * have been under way. The severity does not tell which it was: lc_messages translates it.
 */
async function takesStatements(client: pg.PoolClient): Promise<boolean> {
  try {
    await client.query(''); // an empty statement
    return true;
  } catch {
    return false;
  }
}
