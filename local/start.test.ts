// `npm start`, in a copy of the repository: its data must not mix with that of whoever runs this.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { describe, expect, it, onTestFinished } from 'vitest';
import { freePort, startEmbeddedPostgres } from './embedded.ts';
import { copyOfRepository, root } from '../test/lib/copy.ts';

const ready = { timeout: 60_000, interval: 50 };

function installedCopy(): string {
  const directory = copyOfRepository();
  symlinkSync(join(root, 'node_modules'), join(directory, 'node_modules'));
  return directory;
}

function postmasterOf(directory: string): { pid: number; port: number } {
  const file = readFileSync(join(directory, '.data/postgres/postmaster.pid'), 'utf8');
  const [pid, , , port] = file.split('\n').map(Number);
  return { pid: pid ?? 0, port: port ?? 0 };
}

async function accepts(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

/** Runs SQL on the data of `npm start` while it is stopped. */
async function changeData(directory: string, sql: string): Promise<void> {
  const { env, owner, stop } = await startEmbeddedPostgres(join(directory, '.data'));
  const client = new pg.Client({
    host: env.DB_HOST,
    port: Number(env.DB_PORT),
    database: env.DB_NAME,
    user: owner.DB_USER,
    password: owner.DB_PASS,
  });
  await client.connect();
  await client.query(sql);
  await client.end();
  await stop();
}

interface How {
  command?: string;
  args?: string[];
  env?: NodeJS.ProcessEnv;
}

function start(directory: string, port: number, how: How = {}) {
  const { command = process.execPath, args = ['local/start.ts'], env = {} } = how;
  const child: ChildProcess = spawn(command, args, {
    cwd: directory,
    env: { ...process.env, PORT: String(port), ...env },
    stdio: 'pipe',
  });
  onTestFinished(() => void child.kill('SIGINT'));
  const run = {
    child,
    output: '',
    ended: once(child, 'close').then(([code]) => code as number | null),
  };
  for (const stream of [child.stdout, child.stderr])
    stream?.on('data', (chunk: Buffer) => (run.output += chunk.toString()));
  return run;
}

describe('npm start', () => {
  it('runs on its own database, refuses a second start and keeps its data', async () => {
    const directory = installedCopy();
    const port = await freePort();
    const url = `http://127.0.0.1:${port}`;
    const refusesASecondStart = async () => {
      const second = start(directory, await freePort());
      expect(await second.ended).toBe(1);
      expect(second.output).toMatch(/^taskapp: already running as process \d+ .+ kill \d+$/m);
    };

    const first = start(directory, port);
    await expect.poll(() => first.output, ready).toContain('starting PostgreSQL');
    await sleep(500);
    await refusesASecondStart();
    await expect
      .poll(() => first.output, ready)
      .toContain(`ready on ${url}; try curl -sS ${url}/api/tasks`);
    const { tasks } = (await (await fetch(`${url}/api/tasks`)).json()) as {
      tasks: { id: number }[];
    };
    expect(tasks.map(({ id }) => id)).toEqual([1, 2, 3, 4, 5]);
    const created = await fetch(`${url}/api/tasks`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: '{"title":"kept"}',
    });
    expect(created.status).toBe(201);
    await refusesASecondStart();
    expect((await fetch(`${url}/healthz`)).status).toBe(200);

    // Twice, because npm may pass on what the terminal also sends.
    first.child.kill('SIGINT');
    first.child.kill('SIGINT');
    expect(await first.ended).toBe(0);
    expect(first.output).toContain('taskapp: stopped');
    expect(existsSync(join(directory, '.data/postgres/postmaster.pid'))).toBe(false);

    const third = start(directory, port, { command: 'npm', args: ['start'] });
    await expect.poll(() => third.output, ready).toContain('ready on');
    expect(await (await fetch(`${url}/api/tasks/6`)).json()).toMatchObject({
      task: { title: 'kept' },
    });
    third.child.kill('SIGTERM'); // npm passes it on
    await third.ended;
    await expect.poll(() => third.output, ready).toContain('taskapp: stopped');
    expect(existsSync(join(directory, '.data/postgres/postmaster.pid'))).toBe(false);
  }, 120_000);

  it('ends its API when it is killed, and starts again on the same data', async () => {
    const directory = installedCopy();
    const port = await freePort();
    const killed = start(directory, port);
    await expect.poll(() => killed.output, ready).toContain('ready on');
    const left = postmasterOf(directory);
    killed.child.kill('SIGKILL');
    const answers = () =>
      fetch(`http://127.0.0.1:${port}/livez`).then(
        () => true,
        () => false,
      );
    await expect.poll(answers, { timeout: 10_000 }).toBe(false);
    expect(await accepts(left.port)).toBe(true); // the next start ends it

    // Settings of the stack, still exported in a shell.
    const env = { DB_PASS_FILE: '/nope', DB_HOST: 'db' };
    const next = start(directory, port, { env });
    await expect.poll(() => next.output, ready).toContain('ready on');
    expect(await accepts(left.port)).toBe(false);
    expect((await fetch(`http://127.0.0.1:${port}/healthz`)).status).toBe(200);
    next.child.kill('SIGINT');
    expect(await next.ended).toBe(0);
  }, 120_000);

  it('does not take a lock for held when another program has its pid now', async () => {
    const directory = installedCopy();
    const port = await freePort();
    const first = start(directory, port);
    await expect.poll(() => first.output, ready).toContain('ready on');
    const postmaster = postmasterOf(directory);
    first.child.kill('SIGKILL');
    process.kill(postmaster.pid, 'SIGKILL'); // as in a power failure
    await expect.poll(() => accepts(postmaster.port), { timeout: 10_000 }).toBe(false);

    const other = spawn('sleep', ['60']);
    onTestFinished(() => void other.kill());
    for (const file of ['lock', 'pid']) {
      writeFileSync(join(directory, '.data', file), String(other.pid));
    }
    const file = join(directory, '.data/postgres/postmaster.pid');
    writeFileSync(file, readFileSync(file, 'utf8').replace(/^\d+/, String(other.pid)));

    const next = start(directory, port);
    await expect.poll(() => next.output, ready).toContain('ready on');
    expect(next.output).not.toContain('kill');
    expect(other.exitCode).toBe(null);
    next.child.kill('SIGINT');
    expect(await next.ended).toBe(0);
  }, 120_000);

  it('starts no second PostgreSQL beside one that does not answer', async () => {
    const directory = installedCopy();
    const port = await freePort();
    const killed = start(directory, port);
    await expect.poll(() => killed.output, ready).toContain('ready on');
    const { pid } = postmasterOf(directory);
    process.kill(pid, 'SIGSTOP');
    onTestFinished(() => void (isRunning(pid) && process.kill(pid, 'SIGKILL')));
    killed.child.kill('SIGKILL');

    const refused = start(directory, port);
    expect(await refused.ended).toBe(1);
    expect(refused.output).toContain('a PostgreSQL that does not answer still uses');
    expect(postmasterOf(directory).pid).toBe(pid);

    process.kill(pid, 'SIGCONT');
    const next = start(directory, port);
    await expect.poll(() => next.output, ready).toContain('ready on');
    next.child.kill('SIGINT');
    expect(await next.ended).toBe(0);
  }, 120_000);

  it('brings older data to the schema of this code, without the seed', async () => {
    const directory = installedCopy();
    const port = await freePort();
    const url = `http://127.0.0.1:${port}`;
    await changeData(
      directory,
      `DROP SCHEMA dbmate CASCADE; DROP TABLE tasks, idempotency_keys; DROP EXTENSION pg_trgm;
      ${readFileSync(join(root, 'test/stack/schema/before-request.sql'), 'utf8')}`,
    );
    const migration = (version: string, sql: string) => {
      const file = join(directory, `db/migrations/${version}_note.sql`);
      writeFileSync(file, `-- migrate:up\n${sql}\n\n-- migrate:down\n`);
    };
    migration('29990101000000', 'ALTER TABLE tasks ADD COLUMN note TEXT;');

    const run = start(directory, port);
    await expect.poll(() => run.output, ready).toContain('ready on');
    expect(await (await fetch(`${url}/api/tasks`)).json()).toEqual({ tasks: [] });
    const keyed = await fetch(`${url}/api/tasks`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', 'Idempotency-Key': 'one' },
      body: '{"title":"kept"}',
    });
    expect(keyed.status).toBe(201);
    run.child.kill('SIGINT');
    expect(await run.ended).toBe(0);
    await changeData(directory, `UPDATE tasks SET note = 'there is such a column'`);

    migration('29990101000001', 'SELECT\nno_such_column;');
    const broken = start(directory, port);
    expect(await broken.ended).toBe(1);
    expect(broken.output).toMatch(
      /^taskapp: db\/migrations\/29990101000001_note.sql line 3: .*"no_such_column".+$/m,
    );
    expect(broken.output).not.toMatch(/^ +at /m);
    expect(existsSync(join(directory, '.data/postgres/postmaster.pid'))).toBe(false);
  }, 120_000);

  it('says so when .data/password is not the password of the database', async () => {
    const directory = installedCopy();
    await changeData(directory, 'SELECT 1');
    const file = join(directory, '.data/password');
    const write = [() => writeFileSync(file, 'another'), () => rmSync(file)];
    for (const spoil of write) {
      spoil();
      const run = start(directory, 0);
      expect(await run.ended).toBe(1);
      expect(run.output).toMatch(/^taskapp: \S+\/password does not hold the password that .+$/m);
      expect(existsSync(join(directory, '.data/postgres/postmaster.pid'))).toBe(false);
    }
  }, 120_000);

  it.each([
    [{}, '127.0.0.1', ['127.0.0.1']],
    [{ HOST: '0.0.0.0' }, '127.0.0.1', ['127.0.0.1', '127.0.0.2']],
  ])(
    'with %j, names %s and listens there',
    async (env, named, listens) => {
      const directory = installedCopy();
      const port = await freePort();
      const run = start(directory, port, { env: { HOST: undefined, ...env } });
      await expect.poll(() => run.output, ready).toContain(`ready on http://${named}:${port};`);
      const answering: string[] = [];
      for (const address of ['127.0.0.1', '127.0.0.2']) {
        const answer = await fetch(`http://${address}:${port}/livez`).catch(() => undefined);
        if (answer?.ok) answering.push(address);
      }
      expect(answering).toEqual(listens);
      expect(run.output.includes('other machines reach the app as well')).toBe(listens.length > 1);
      run.child.kill('SIGINT');
      expect(await run.ended).toBe(0);
    },
    120_000,
  );

  it('says so when the port is taken, and stops the database', async () => {
    const directory = installedCopy();
    const blocker = createServer().listen(0);
    await once(blocker, 'listening');
    onTestFinished(() => void blocker.close());
    const { port } = blocker.address() as { port: number };
    const run = start(directory, port);
    expect(await run.ended).toBe(1);
    expect(run.output).toContain(`cannot listen on PORT ${port}`);
    expect(run.output).not.toContain('ready on');
    expect(existsSync(join(directory, '.data/postgres/postmaster.pid'))).toBe(false);
  }, 120_000);

  it('has --help', async () => {
    const run = start(root, 0, { args: ['local/start.ts', '--help'] });
    expect(await run.ended).toBe(0);
    expect(run.output).toContain('Usage: npm start');
    expect(run.output).toMatch(/HOST \(127\.0\.0\.1: /);
  });
});
