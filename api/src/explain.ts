const wrongCa = "DB_SSL_CA must hold the CA certificate that signed the server's certificate";
const oldSchema = 'run docker compose run --rm migrate';

/** What to do, by SQLSTATE or by Node's error code. */
const advice: Record<string, string> = {
  '28P01':
    'DB_PASS is not the password of DB_USER; scripts/rotate-password.sh sets a new one everywhere',
  '3D000': 'DB_NAME must be what POSTGRES_DB was when the volume was created',
  '23505': `the id sequence is lower than the highest id; ${oldSchema}`,
  '42P01': oldSchema, // undefined table
  '42703': oldSchema, // undefined column
  '2200H': 'tasks.id is an INTEGER, and no ids are left',
  ENOTFOUND: 'is the database running, and is DB_HOST its name?',
  EAI_AGAIN: 'is the database running, and is DB_HOST its name?',
  ECONNREFUSED: 'nothing listens at DB_HOST:DB_PORT; is the database running?',
  ERR_TLS_CERT_ALTNAME_INVALID: "DB_SSL=verify-full requires DB_HOST in the server's certificate",
  DEPTH_ZERO_SELF_SIGNED_CERT: wrongCa,
  SELF_SIGNED_CERT_IN_CHAIN: wrongCa,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: wrongCa,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: wrongCa,
};

/** For the log: what happened and, if known, what to do about it. */
export function explain(cause: unknown): string {
  const message = cause instanceof Error ? cause.message || cause.name : String(cause);
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : '';
  const what = advice[code] ?? tlsAdvice(code, message);
  return what === undefined ? message : `${message}: ${what}`;
}

function tlsAdvice(code: string, message: string): string | undefined {
  if (message === 'The server does not support SSL connections')
    return 'set DB_SSL=off, or enable ssl on the server';
  if (code === '28000' && message.includes('no encryption'))
    return 'if the server requires TLS, set DB_SSL=require or verify-full';
  return undefined;
}
