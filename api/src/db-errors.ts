// What can become of a statement that has no result; db.ts decides which.

/** The statement was not applied: there was no connection for it, or the server refused or cancelled it. */
export class DatabaseUnavailable extends Error {
  override name = 'DatabaseUnavailable';
}

/** The statement was not applied: the database is up, but had no connection or time for it. */
export class DatabaseBusy extends DatabaseUnavailable {
  override name = 'DatabaseBusy';
}

/** The statement was not applied: the database lacks a table or a column that the code uses. */
export class SchemaOutdated extends DatabaseUnavailable {
  override name = 'SchemaOutdated';
}

/** The statement was not sent: it waited too long for those before it. */
export class TurnTimeout extends DatabaseUnavailable {
  override name = 'TurnTimeout';
}

/** The statement was not applied: it has waited too long for a lock of another transaction. */
export class LockTimeout extends DatabaseBusy {
  override name = 'LockTimeout';
  /** Where the server was in the statement; names the table if it waited for a row. */
  readonly where: string;

  constructor(message: string, where = '') {
    super(message);
    this.where = where;
  }
}

/** The connection was lost after a write was sent: it may or may not have been committed. */
export class OutcomeUnknown extends Error {
  override name = 'OutcomeUnknown';
}

/** For the log: what happened, and what to do where that is known. */
export function explain(cause: unknown): string {
  const message = cause instanceof Error ? cause.message || cause.name : String(cause);
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
  switch (code) {
    case '28P01':
      return `${message}: DB_PASS does not fit DB_USER; scripts/rotate-password.sh gives both a new one`;
    case '3D000':
      return `${message}: DB_NAME must be the database that POSTGRES_DB made when the volume was new`;
    case '23505':
      return `${message}: the sequence is behind the rows; run scripts/apply-schema.sh`;
    case '42P01': // undefined table
    case '42703': // undefined column
      return `${message}: run scripts/apply-schema.sh`;
    case '2200H':
      return `${message}: tasks.id is an INTEGER, and no ids are left`;
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return `${message}: is the database running, and DB_HOST its name?`;
    case 'ECONNREFUSED':
      return `${message}: nothing listens at DB_HOST:DB_PORT; is the database running?`;
    case 'ERR_TLS_CERT_ALTNAME_INVALID':
      return `${message}: DB_SSL=verify-full wants DB_HOST in the server's certificate`;
    case 'DEPTH_ZERO_SELF_SIGNED_CERT':
    case 'SELF_SIGNED_CERT_IN_CHAIN':
    case 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY':
    case 'UNABLE_TO_VERIFY_LEAF_SIGNATURE':
      return `${message}: DB_SSL_CA must be the CA certificate that signed the server's`;
  }
  if (message === 'The server does not support SSL connections') {
    return `${message}: DB_SSL=off, or turn on ssl in the server`;
  }
  if (code === '28000' && message.includes('no encryption')) {
    return `${message}: if the server requires TLS, set DB_SSL=require or verify-full`;
  }
  return message;
}
