// `npm start`, in a copy of the repository: its data must not mix with that of a person.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, symlinkSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import { freePort } from './db/embedded.ts';
import { copyOfRepository, root } from './test/copy.ts';

function start(directory: string, port: number, ...args: string[]) {
  const child: ChildProcess = spawn(process.execPath, ['start.ts', ...args], {
    cwd: directory,
    env: { ...process.env, PORT: String(port) },
    stdio: 'pipe',
  });
  onTestFinished(() => void child.kill('SIGINT'));
  const run = { child, output: '', ended: once(child, 'close').then(([code]) => code as number | null) };
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk: Buffer) => (run.output += chunk.toString()));
  return run;
}

describe('npm start', () => {
  it('runs the API on a database of its own, refuses a second start, stops on Ctrl-C and finds its data again', async () => {
    const directory = copyOfRepository();
    symlinkSync(join(root, 'node_modules'), join(directory, 'node_modules'));
    const port = await freePort();
    const url = `http://localhost:${port}`;
    const ready = { timeout: 30_000, interval: 50 };
    const refusesASecondStart = async () => {
      const second = start(directory, await freePort());
      expect(await second.ended).toBe(1);
      expect(second.output).toMatch(/^taskapp: already running as process \d+ .+ kill \d+$/m);
    };

    const first = start(directory, port);
    await expect.poll(() => first.output, ready).toContain('starting PostgreSQL');
    await sleep(500);
    await refusesASecondStart();
    await expect.poll(() => first.output, ready).toContain(`ready on ${url}, try: curl -sS ${url}/api/tasks`);
    const { tasks } = (await (await fetch(`${url}/api/tasks`)).json()) as { tasks: { id: number }[] };
    expect(tasks.map(({ id }) => id)).toEqual([1, 2, 3, 4, 5]);
    const created = await fetch(`${url}/api/tasks`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: '{"title":"kept"}',
    });
    expect(created.status).toBe(201);
    await refusesASecondStart();
    expect((await fetch(`${url}/healthz`)).status).toBe(200);

    // Twice, as npm may pass on what the terminal has sent already.
    first.child.kill('SIGINT');
    first.child.kill('SIGINT');
    expect(await first.ended).toBe(0);
    expect(first.output).toContain('taskapp: stopped');
    expect(existsSync(join(directory, '.data/postgres/postmaster.pid'))).toBe(false);

    const third = start(directory, port);
    await expect.poll(() => third.output, ready).toContain('ready on');
    expect(await (await fetch(`${url}/api/tasks/6`)).json()).toMatchObject({ task: { title: 'kept' } });
    third.child.kill('SIGTERM');
    expect(await third.ended).toBe(0);
  }, 60_000);

  it('ends the API and tells how to end PostgreSQL when it was killed itself', async () => {
    const directory = copyOfRepository();
    symlinkSync(join(root, 'node_modules'), join(directory, 'node_modules'));
    const port = await freePort();
    const killed = start(directory, port);
    await expect.poll(() => killed.output, { timeout: 30_000 }).toContain('ready on');
    killed.child.kill('SIGKILL');
    const answers = () => fetch(`http://localhost:${port}/livez`).then(() => true, () => false);
    await expect.poll(answers, { timeout: 10_000 }).toBe(false);

    const next = start(directory, port);
    expect(await next.ended).toBe(1);
    const pid = /kill -INT (\d+)$/m.exec(next.output)?.[1];
    process.kill(Number(pid), 'SIGINT');
    const stopped = () => existsSync(join(directory, '.data/postgres/postmaster.pid'));
    await expect.poll(stopped, { timeout: 10_000 }).toBe(false);
    const last = start(directory, port);
    await expect.poll(() => last.output, { timeout: 30_000 }).toContain('ready on');
    last.child.kill('SIGINT');
    expect(await last.ended).toBe(0);
  }, 60_000);

  it('says so when the port is taken, and stops the database', async () => {
    const directory = copyOfRepository();
    symlinkSync(join(root, 'node_modules'), join(directory, 'node_modules'));
    const blocker = createServer().listen(0);
    await once(blocker, 'listening');
    onTestFinished(() => void blocker.close());
    const { port } = blocker.address() as { port: number };
    const run = start(directory, port);
    expect(await run.ended).toBe(1);
    expect(run.output).toContain(`cannot listen on PORT ${port}`);
    expect(run.output).not.toContain('ready on');
    expect(existsSync(join(directory, '.data/postgres/postmaster.pid'))).toBe(false);
  }, 60_000);

  it('has --help', async () => {
    const run = start(root, 0, '--help');
    expect(await run.ended).toBe(0);
    expect(run.output).toContain('Usage: npm start');
  });
});
