import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { ConnectionOptions } from 'node:tls';
import { z } from 'zod';

const portError = 'is not a port; use a whole number from 1 to 65535';
const port = z
  .string()
  .regex(/^[0-9]+$/, portError)
  .transform(Number)
  .refine((n) => n >= 1 && n <= 65_535, portError);

const Environment = z.object({
  DB_HOST: z.string().default('localhost'),
  DB_PORT: port.default(5432),
  DB_NAME: z.string().default('taskdb'),
  DB_USER: z.string('is not set; set it to the database login, for example taskapp_api'),
  DB_PASS: z.string(
    'is not set; set it, or set DB_PASS_FILE to the path of a file that holds the password',
  ),
  DB_PASS_FILE: z.string().optional(),
  DB_SSL: z
    .enum(['off', 'require', 'verify-full'], 'is not a TLS mode; use off, require or verify-full')
    .default('off'),
  DB_SSL_CA: z.string().optional(), // the path of a PEM file
  PORT: port.default(8080),
  HOST: z.string().optional(), // the address to listen on; default: all addresses
  LOG_LEVEL: z
    .enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'], {
      error: 'is not a log level; use trace, debug, info, warn, error, fatal or silent',
    })
    .default('info'),
  // The engine sets it to the container's id. A value not allowed in a header counts as unset.
  HOSTNAME: z
    .string()
    .regex(/^[\w.-]+$/)
    .optional()
    .catch(undefined),
  // One or more, each on a line of its own: while one token replaces another, both are valid.
  API_TOKEN: z
    .string()
    .transform((text) => text.split(/\r?\n/).filter((line) => line !== ''))
    .refine((tokens) => tokens.length > 0 && tokens.every((token) => /^[!-~]{16,}$/.test(token)), {
      error: 'has no good token; use at least 16 visible ASCII characters on each line',
    })
    .optional(),
});

/** Every setting that the API reads from its environment. */
export type Config = z.infer<typeof Environment>;

/** A missing or wrong setting. The message is one line that names the variable and the fix. */
export class ConfigError extends Error {}

/** Reads the environment once. An empty variable counts as unset. Throws ConfigError. */
export function readConfig(env: NodeJS.ProcessEnv): Config {
  const given = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== ''));
  const secrets = { ...readSecret(given, 'DB_PASS'), ...readSecret(given, 'API_TOKEN') };
  checkCertificates(given);

  const parsed = Environment.safeParse({ ...given, ...secrets });
  if (parsed.success) return parsed.data;
  throw new ConfigError(
    parsed.error.issues.map((issue) => `${issue.path.join('.')} ${issue.message}`).join('; '),
  );
}

/** Called for each new connection, because scripts/rotate-password.sh changes the file. */
export function dbPassword({ DB_PASS, DB_PASS_FILE }: Config): string {
  return DB_PASS_FILE === undefined ? DB_PASS : withoutNewline(readFileSync(DB_PASS_FILE, 'utf8'));
}

/**
 * TLS to the database, with the modes of libpq: `require` accepts any certificate; `verify-full`
 * needs one for DB_HOST, signed by a certificate in DB_SSL_CA or, if that is unset, by a public
 * authority.
 */
export function dbSsl({ DB_SSL, DB_SSL_CA, DB_HOST }: Config): false | ConnectionOptions {
  if (DB_SSL === 'off') return false;
  if (DB_SSL === 'require') return { rejectUnauthorized: false };
  // pg passes the host to TLS only if it is a name. For an IP address, Node would otherwise check
  // the certificate against localhost.
  const ssl = { rejectUnauthorized: true, host: DB_HOST };
  if (DB_SSL_CA === undefined) return ssl;
  // Read for each new connection, because authorities are renewed. While the file is being
  // replaced, the certificates before it count.
  let certificates = readCertificates(DB_SSL_CA);
  return {
    ...ssl,
    get ca() {
      try {
        certificates = readCertificates(DB_SSL_CA);
      } catch (error) {
        if (!(error instanceof ConfigError)) throw error;
      }
      return certificates;
    },
  };
}

const withoutNewline = (text: string) => text.replace(/\r?\n$/, '');

/** A secret comes from NAME, or from the file that NAME_FILE points to. */
function readSecret(env: NodeJS.ProcessEnv, name: 'DB_PASS' | 'API_TOKEN'): Record<string, string> {
  const file = env[`${name}_FILE`];
  if (file === undefined) return {};
  if (env[name] !== undefined)
    throw new ConfigError(`${name} and ${name}_FILE are both set; unset one of them`);
  const secret = withoutNewline(readFileOf(`${name}_FILE`, file));
  if (secret === '')
    throw new ConfigError(
      `${name}_FILE points to ${file}, which is empty; write the secret into it`,
    );
  return { [name]: secret };
}

function checkCertificates({ DB_SSL, DB_SSL_CA }: NodeJS.ProcessEnv): void {
  if (DB_SSL_CA === undefined) return;
  if (DB_SSL !== 'verify-full') {
    throw new ConfigError(
      'DB_SSL_CA is set, but nothing is verified; set DB_SSL to verify-full, or unset DB_SSL_CA',
    );
  }
  readCertificates(DB_SSL_CA);
}

/** The content of a PEM file. Throws ConfigError. */
function readCertificates(file: string): string {
  const certificates = readFileOf('DB_SSL_CA', file);
  try {
    void new X509Certificate(certificates); // throws
  } catch {
    throw new ConfigError(
      `DB_SSL_CA points to ${file}, which has no certificate; use a file in PEM format`,
    );
  }
  return certificates;
}

function readFileOf(name: string, file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    const reason = error instanceof Error && 'code' in error ? String(error.code) : 'unknown error';
    throw new ConfigError(
      `${name} points to ${file}, which cannot be read (${reason}); check its path and mode`,
    );
  }
}
