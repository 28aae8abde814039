// Settings that take effect on the first start only, changed while the volume has data: what db's
// health check, its log and scripts/check-health.sh say. Nothing here deletes data.
import { execFile } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, inject, it } from 'vitest';
import { copyForAll } from '../lib/copy.ts';
import { docker, Stack } from '../lib/stack.ts';

const patience = { timeout: 60_000, interval: 500 };

describe.skipIf(inject('notRunBecause'))('a setting that counts on the first start only', () => {
  let stack: Stack;

  const start = (...args: string[]) => stack.compose('up', '-d', ...args, 'db');

  /** What the health check of db printed last. */
  async function said(): Promise<string> {
    const outputs = '{{range .State.Health.Log}}{{println .Output}}{{end}}';
    const log = await docker('inspect', '--format', outputs, `${stack.project}-db-1`);
    return log.trim().split('\n').at(-1) ?? '';
  }

  const status = async () => (await stack.inspect('db')).State.Health?.Status;

  async function startChanged(env: Record<string, string>): Promise<void> {
    Object.assign(stack.env, env);
    await start();
  }

  /** The lines of check-health.sh that start with this. */
  function checkHealth(name: string): Promise<string> {
    const { promise, resolve } = Promise.withResolvers<string>();
    const project = { COMPOSE_PROJECT_NAME: stack.project, COMPOSE_FILE: 'compose.yml' };
    const env = { ...process.env, ...stack.env, ...project };
    execFile(join(stack.directory, 'scripts/check-health.sh'), { env }, (_, output) => {
      const lines = output.replaceAll(/ +/g, ' ').split('\n');
      resolve(
        lines
          .filter((line) => line.includes(`] ${name}: `))
          .join('\n')
          .trim(),
      );
    });
    return promise;
  }

  beforeEach(() => {
    stack = new Stack({ directory: copyForAll() });
  });
  afterEach(async () => {
    await stack.destroy();
    rmSync(stack.directory, { recursive: true });
  });

  it.each([
    [
      { POSTGRES_DB: 'other' },
      'the volume has no database other',
      'the tasks are in the database taskdb',
    ],
    [
      { POSTGRES_DB: 'postgres' },
      'the tasks are in the database taskdb',
      'POSTGRES_DB takes effect',
    ],
    [{ POSTGRES_USER: 'other' }, 'the volume has no login other', 'POSTGRES_USER takes effect'],
    [{ DB_USER: 'other' }, 'the volume has no login other', 'DB_USER takes effect'],
  ])(
    '%o: the health check names it, and setting it back is enough',
    async (change, cause, more) => {
      await start('--wait');
      await startChanged(change);
      await expect.poll(said, patience).toContain(cause);
      expect(await said()).toContain(more);
      expect(await said()).toMatch(/set it back/i);
      // Not "unhealthy" yet: that takes a minute.
      expect(await status()).not.toBe('healthy');
      expect(await checkHealth('db-1')).toMatch(/^\[FAIL\] db-1: running, but \w+: /);
      expect(await checkHealth('db-1')).toContain(cause);

      for (const name of Object.keys(change)) delete stack.env[name];
      await start('--wait');
      expect(await stack.sql('SELECT count(*) FROM tasks')).toBe('5\n');
    },
  );

  it('DB_USER: the command that the health check prints makes the new login', async () => {
    await start('--wait');
    await startChanged({ DB_USER: 'other', DB_PASS: 'the new password' });
    await expect.poll(said, patience).toContain('04_roles.sh');
    const command = / docker compose (exec db .*)$/.exec(await said())?.[1] ?? '';
    await stack.compose(...command.split(' ').toSpliced(1, 0, '-T'));
    await expect.poll(status, patience).toBe('healthy');
    const rights = "SELECT has_table_privilege('other', 'tasks', 'INSERT')";
    expect(await stack.sql(rights)).toBe('t\n');
  });

  it('POSTGRES_PASSWORD: check-health.sh says that it has no effect', async () => {
    await start('--wait');
    expect(await checkHealth('password of the owner')).toMatch(/^\[OK\]/);
    stack.env.POSTGRES_PASSWORD = 'another one';
    expect(await checkHealth('password of the owner')).toMatch(/^\[SKIP\].*settings have changed/);
    await start('--wait');
    expect(await checkHealth('password of the owner')).toMatch(
      /^\[FAIL\].*rotate-password\.sh owner/,
    );
  });

  it('an init file that failed is called that, and nothing else is', async () => {
    writeFileSync(join(stack.directory, 'db/init/02_indexes.sql'), 'SELECT 1/0;\n');
    await start();
    await expect.poll(said, patience).toContain('an init file failed on the first start');
    expect(await stack.compose('logs', 'db')).toMatch(/initdb\.d\/02_indexes\.sql:1: ERROR/);
  });

  it('the major version of PostgreSQL: refused in one line, and nothing is lost', async () => {
    await start('--wait');
    const version = '/var/lib/postgresql/data/PG_VERSION';
    const inVolume = (command: string) =>
      stack.compose('run', '--rm', '--no-deps', '-T', '--entrypoint', 'sh', 'db', '-c', command);
    const present = (await inVolume(`cat ${version}`)).trim();
    await stack.compose('stop', 'db');
    await inVolume(`echo 15 >${version}`);
    await start();
    const log = () => stack.compose('logs', 'db');
    const refused = 'taskapp db: refused: the volume is of PostgreSQL 15, but the image is of ';
    await expect.poll(log, patience).toContain(refused + present);
    expect(await checkHealth('db-1')).toMatch(/^\[FAIL\] db-1: .*set POSTGRES_IMAGE back/);

    await stack.compose('stop', 'db');
    await inVolume(`echo ${present} >${version}`);
    await start('--wait');
    expect(await stack.sql('SELECT count(*) FROM tasks')).toBe('5\n');
  });
});
