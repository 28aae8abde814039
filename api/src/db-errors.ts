import pg from 'pg';
import { explain } from './explain.ts';

// The ways in which a statement can fail. Below, "it" is the statement.

/** Not applied: there was no connection for it, or the server refused or cancelled it. */
export class DatabaseUnavailable extends Error {
  override name = 'DatabaseUnavailable';
}

/** Not applied: the database is up, but had no connection or time for it. */
export class DatabaseBusy extends DatabaseUnavailable {
  override name = 'DatabaseBusy';
}

/** Not applied: the database lacks a table or a column that the code uses. */
export class SchemaOutdated extends DatabaseUnavailable {
  override name = 'SchemaOutdated';
}

/** Not applied: it waited too long for its turn. */
export class TurnTimeout extends DatabaseUnavailable {
  override name = 'TurnTimeout';
}

/** Not applied: it waited too long for a lock that another transaction holds. */
export class LockTimeout extends DatabaseBusy {
  override name = 'LockTimeout';
  /** The server's context of the error; it names the table if the statement waited for a row. */
  readonly where: string;

  constructor(message: string, where = '') {
    super(message);
    this.where = where;
  }
}

/** The connection was lost after a write was sent: the write may or may not have been committed. */
export class OutcomeUnknown extends Error {
  override name = 'OutcomeUnknown';
}

/** The error of a statement that got none of `connections`, such as `2 connections for search`. */
export function connectionError(cause: unknown, connections: string): DatabaseUnavailable {
  if (poolIsBusy(cause)) return new DatabaseBusy(`all ${connections} are in use`);
  const isBusy = cause instanceof pg.DatabaseError && isTransient(cause);
  return new (isBusy ? DatabaseBusy : DatabaseUnavailable)(explain(cause));
}

/** The error of a refused statement: it was not applied, and the connection still works. */
export function refusal(cause: pg.DatabaseError): Error {
  if (cause.code === '55P03') return new LockTimeout(explain(cause), cause.where);
  if (isTransient(cause)) return new DatabaseBusy(explain(cause));
  if (isOutdated(cause)) return new SchemaOutdated(explain(cause));
  if (hasNoId(cause)) return new DatabaseUnavailable(explain(cause));
  return cause;
}

// pg-pool's message when no connection became free in time; it has no code.
const poolIsBusy = (cause: unknown) =>
  cause instanceof Error && cause.message === 'timeout exceeded when trying to connect';

/** Whether the server takes no writes: it is a standby, or its transactions are read-only. */
export const isReadOnly = ({ code }: pg.DatabaseError): boolean => code === '25006';

// SQLSTATEs that say "not now", in this order: serialization failure and deadlock; out of disk,
// memory or connections; a statement timeout.
const transient = /^(40|53|57014)/;
const isTransient = (cause: pg.DatabaseError) =>
  transient.test(cause.code ?? '') || isReadOnly(cause);

// An undefined table or column: the volume, or the dump restored into it, is older than the code.
const isOutdated = ({ code }: pg.DatabaseError) => code === '42P01' || code === '42703';

// The sequence of tasks.id is below the highest id, or exhausted. Only an operator can fix that.
const hasNoId = ({ code, constraint }: pg.DatabaseError) =>
  code === '2200H' || (code === '23505' && constraint === 'tasks_pkey');
