// DB_SSL against real servers: one that accepts only TLS, and one without TLS.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../../local/embedded.ts';
import { readConfig } from '../src/config.ts';
import type { Kind } from '../src/pool.ts';
import { api, database, environment } from './helper.ts';

const directory = mkdtempSync(join(tmpdir(), 'taskapp-tls-'));
const file = (name: string) => join(directory, name);
const openssl = (...args: string[]) =>
  execFileSync('openssl', args, { cwd: directory, stdio: 'pipe' });

/** Makes a certificate authority, and a server certificate for `san` that it signs. */
function makeCertificate(ca: string, san: string): void {
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  openssl(
    'req',
    '-x509',
    ...newKey,
    '-subj',
    `/CN=${ca}`,
    '-keyout',
    `${ca}.key`,
    '-out',
    `${ca}.crt`,
    '-days',
    '2',
  );
  openssl('req', ...newKey, '-subj', '/CN=server', '-keyout', 'server.key', '-out', 'server.csr');
  writeFileSync(file('extensions'), `subjectAltName=${san}`);
  const signed = [
    '-CA',
    `${ca}.crt`,
    '-CAkey',
    `${ca}.key`,
    '-CAcreateserial',
    '-extfile',
    'extensions',
    '-days',
    '2',
  ];
  openssl('x509', '-req', '-in', 'server.csr', '-out', 'server.crt', ...signed);
}

/** Copies a file to the server, as the server's user. */
async function writeInServer(owner: pg.Client, name: string): Promise<void> {
  const text = owner.escapeLiteral(readFileSync(file(name), 'utf8').trimEnd());
  const lines = `SELECT unnest(string_to_array(${text}, E'\\n'))`;
  await owner.query(`COPY (${lines}) TO PROGRAM 'umask 077; cat > ${name}'`);
}

describe('DB_SSL', () => {
  let server: EmbeddedPostgres;

  beforeAll(async () => {
    server = await startEmbeddedPostgres(file('data'));
    makeCertificate('another', 'DNS:localhost');
    makeCertificate('authority', 'DNS:localhost');
    const { DB_HOST: host, DB_PORT: port, DB_NAME: name } = server.env;
    const { DB_USER: user, DB_PASS: password } = server.owner;
    const login = { host, port: Number(port), database: name, user, password };
    const owner = new pg.Client(login);
    await owner.connect();
    await writeInServer(owner, 'server.key');
    await writeInServer(owner, 'server.crt');
    await owner.query('ALTER SYSTEM SET ssl = on');
    writeFileSync(file('pg_hba.conf'), 'hostssl all all all scram-sha-256');
    await writeInServer(owner, 'pg_hba.conf');
    await owner.query('SELECT pg_reload_conf()');
    await owner.end();
    const takesTls = async () => {
      const client = new pg.Client({ ...login, ssl: { rejectUnauthorized: false } });
      await client.connect();
      await client.end();
    };
    await vi.waitFor(takesTls, { timeout: 10_000 });
  }, 60_000);
  afterAll(async () => {
    await server.stop();
    rmSync(directory, { recursive: true });
  });

  /** Whether the connection of a query uses TLS, or why it failed. */
  async function use(env: Record<string, string>, at: Record<string, string> = server.env) {
    const db = database({ ...at, ...env });
    const text = 'SELECT ssl AS tls FROM pg_stat_ssl WHERE pid = pg_backend_pid()';
    return db.read({ name: '', text, values: [] }).then(
      (result) => ({ result, error: undefined }),
      (error: Error) => ({ result: undefined, error: error.message }),
    );
  }

  it('off: the server that wants TLS refuses, and the log tells what to set', async () => {
    expect((await use({})).error).toMatch(/no encryption.*DB_SSL=require/);
  });

  it('require: encrypts, whoever has signed the certificate and for whatever name', async () => {
    expect((await use({ DB_SSL: 'require' })).result).toEqual([{ tls: true }]);
    await api({ db: database({ ...server.env, DB_SSL: 'require' }) })
      .get('/healthz')
      .expect(200);
  });

  it('require: refuses a server without TLS', async () => {
    const { error } = await use({ DB_SSL: 'require' }, environment());
    expect(error).toBe(
      'The server does not support SSL connections: set DB_SSL=off, or enable ssl on the server',
    );
  });

  it('verify-full: takes the server that the CA has signed for this name', async () => {
    const env = { DB_SSL: 'verify-full', DB_SSL_CA: file('authority.crt'), DB_HOST: 'localhost' };
    expect((await use(env)).result).toEqual([{ tls: true }]);
  });

  it('verify-full: refuses a certificate of another CA, also of none that is known', async () => {
    const env = { DB_SSL: 'verify-full', DB_HOST: 'localhost' };
    expect((await use({ ...env, DB_SSL_CA: file('another.crt') })).error).toMatch(
      /certificate.*: DB_SSL_CA must hold/,
    );
    expect((await use(env)).error).toMatch(/certificate.*: DB_SSL_CA must hold/);
  });

  it('verify-full: refuses a certificate that is for another name or address', async () => {
    const env = { DB_SSL: 'verify-full', DB_SSL_CA: file('authority.crt'), DB_HOST: '127.0.0.1' };
    expect((await use(env)).error).toMatch(/127\.0\.0\.1.*: DB_SSL=verify-full requires DB_HOST/);
  });

  it('verify-full: takes a CA that replaces the one before, without a restart', async () => {
    const ca = file('current.crt');
    const write = (text: string) => writeFileSync(ca, text);
    write(readFileSync(file('another.crt'), 'utf8'));
    const env = { DB_SSL: 'verify-full', DB_SSL_CA: ca, DB_HOST: 'localhost' };
    const db = database({ ...server.env, ...env });
    // Each kind has connections of its own.
    const read = (kind: Kind) => db.read({ name: '', text: 'SELECT 1 AS one', values: [], kind });
    await expect(read('list')).rejects.toThrow('DB_SSL_CA must hold');
    write(readFileSync(file('authority.crt'), 'utf8'));
    expect(await read('list')).toEqual([{ one: 1 }]);
    write('half a certifi');
    expect(await read('get')).toEqual([{ one: 1 }]);
  });

  it.each([
    [{ DB_SSL: 'on' }, 'DB_SSL is not a TLS mode; use off, require or verify-full'],
    [
      { DB_SSL: 'verify-full', DB_SSL_CA: '/nope' },
      'DB_SSL_CA points to /nope, which cannot be read (ENOENT); check its path and mode',
    ],
    [
      { DB_SSL: 'verify-full', DB_SSL_CA: import.meta.filename },
      /^DB_SSL_CA points to .*, which has no certificate; use a file in PEM format$/,
    ],
    [
      { DB_SSL_CA: '/x' },
      'DB_SSL_CA is set, but nothing is verified; set DB_SSL to verify-full, or unset DB_SSL_CA',
    ],
    [{ DB_SSL: 'require', DB_SSL_CA: '/x' }, /^DB_SSL_CA is set, but nothing is verified; /],
  ])('%j is refused at the start', (env, message) => {
    expect(() => readConfig({ DB_USER: 'u', DB_PASS: 'p', ...env })).toThrow(message);
  });

  it('counts as unset when it is empty, as Compose passes it on', () => {
    const config = readConfig({ DB_USER: 'u', DB_PASS: 'p', DB_SSL: '', DB_SSL_CA: '' });
    expect([config.DB_SSL, config.DB_SSL_CA]).toEqual(['off', undefined]);
  });
});
