// The scripts for backup and restore, as an operator runs them, on booted stacks that break.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import * as fs from 'node:fs';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, inject, it, onTestFinished } from 'vitest';
import { copyOfRepository, root } from '../lib/copy.ts';
import { docker, postJson, Stack } from '../lib/stack.ts';

interface Result {
  code: number | null;
  stdout: string;
  stderr: string;
}

const environment = (stack: Stack) => ({
  ...process.env,
  METRICS_DIR: tmpdir(),
  ...stack.env,
  COMPOSE_FILE: stack.files.join(':'),
  COMPOSE_PROJECT_NAME: stack.project,
});

/** Starts a script outside the repository, with COMPOSE_FILE set. */
function start(stack: Stack, name: string, ...args: string[]): ChildProcess {
  return spawn(join(root, 'scripts', name), args, { cwd: tmpdir(), env: environment(stack) });
}

async function ended(child: ChildProcess): Promise<Result> {
  let stdout = '';
  let stderr = '';
  child.stdout?.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr?.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, stdout, stderr };
}

const script = (stack: Stack, name: string, ...args: string[]) =>
  ended(start(stack, name, ...args));

async function good(stack: Stack, name: string, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await script(stack, name, ...args);
  if (code !== 0) throw new Error(`${name} ended with ${code}: ${stderr}`);
  return stdout;
}

const db = (stack: Stack, ...command: string[]) =>
  docker('exec', `${stack.project}-db-1`, ...command);

const psql = async (stack: Stack, sql: string, database?: string) =>
  (await stack.sql(sql, database)).trim();

/** The whole database as SQL; pg_dump puts a random word into two lines. */
const contents = async (stack: Stack) =>
  (await db(stack, 'pg_dump', '-U', 'taskapp', 'taskdb')).replaceAll(/^\\(un)?restrict .*$/gm, '');

const databases = (stack: Stack) =>
  psql(stack, "SELECT string_agg(datname, ' ' ORDER BY datname) FROM pg_database");

function temporaryDirectory(): string {
  const directory = fs.mkdtempSync(join(tmpdir(), 'taskapp-backup-'));
  onTestFinished(() => fs.rmSync(directory, { recursive: true }));
  return directory;
}

/** A backup of the stack, and where it is. */
async function backup(stack: Stack, directory: string, ...args: string[]): Promise<string> {
  const summary = await good(stack, 'backup.sh', '--output-dir', directory, ...args);
  const [, file = '', rest] = /^backup: (\S+\.dump): (.*\n)$/.exec(summary) ?? [];
  const counts = /^\d+ bytes, \d+ tables?, \d+ rows, verified in \d+ s; \d+ kept, \d+ removed\n$/;
  expect(rest).toMatch(counts);
  return file;
}

/** The files in a backup directory. */
const listed = (directory: string) => fs.readdirSync(directory).toSorted();

const unusualTasks = String.raw`
  INSERT INTO tasks (title, status) VALUES
    ('née "ß" ''\t'' 日本', E'a\tb'), (repeat('🙂', 255), '\N'), (E'two\nlines', 'x|y')`;

/** What a restore has to bring back besides the contents of the database. */
const databaseRights = `
  SELECT
    datacl,
    (SELECT setconfig FROM pg_db_role_setting WHERE setdatabase = d.oid),
    (SELECT rolpassword FROM pg_authid WHERE rolname = 'taskapp_api')
  FROM pg_database AS d WHERE datname = 'taskdb'`;

/** The form of the time in the name of a backup. */
const stamp = (daysAgo: number) =>
  new Date(Date.now() - daysAgo * 86_400_000).toISOString().replaceAll(/[-:]|\.\d+/g, '');

describe('the lock of scripts/backup.sh', () => {
  it.skipIf(process.getuid?.() !== 0)('is left to nobody by a run as root', async () => {
    const repository = copyOfRepository();
    fs.chmodSync(repository, 0o755);
    const tools = temporaryDirectory();
    fs.chmodSync(tools, 0o755);
    fs.writeFileSync(join(tools, 'docker'), '#!/bin/sh\n', { mode: 0o755 }); // nothing runs
    const directory = temporaryDirectory();
    const [uid, gid] = [65_534, 65_534];
    fs.chownSync(directory, uid, gid);

    const run = (user: { uid?: number; gid?: number }) => {
      const env = { ...process.env, PATH: `${tools}:${process.env.PATH}` };
      const file = join(repository, 'scripts/backup.sh');
      return ended(spawn(file, ['--output-dir', directory], { cwd: '/', env, ...user }));
    };
    const reached = {
      code: 1,
      stderr: expect.stringContaining('the database is not running') as string,
    };
    expect(await run({})).toMatchObject(reached);
    expect(await run({ uid, gid })).toMatchObject(reached);
  });
});

describe.skipIf(inject('notRunBecause'))('scripts/backup.sh and scripts/restore.sh', () => {
  const stack = new Stack();
  const only = 'postgres taskdb template0 template1';
  beforeAll(async () => {
    await stack.up();
    await psql(stack, unusualTasks);
  });
  afterAll(() => stack.destroy());

  it('bring a database back byte for byte, with rights and sequence, in live use', async () => {
    const directory = temporaryDirectory();
    const before = await contents(stack);
    const rightsBefore = await psql(stack, databaseRights);
    const file = await backup(stack, directory);
    expect(listed(directory)).toEqual(
      ['', '.sha256', '.sums'].map((suffix) => `${basename(file)}${suffix}`),
    );
    expect(fs.statSync(file).mode & 0o777).toBe(0o600);

    await psql(
      stack,
      "DELETE FROM tasks WHERE id < 3; INSERT INTO tasks (title) VALUES ('after the backup')",
    );
    const changed = await contents(stack);
    const refused = await script(stack, 'restore.sh', file);
    expect([refused.code, refused.stderr]).toEqual([
      1,
      expect.stringContaining('taskdb has rows (tasks)'),
    ]);
    expect(await contents(stack)).toBe(changed);

    const restore = script(stack, 'restore.sh', file, '--yes', '--drop-kept');
    const failures: number[] = [];
    const statuses = new Set<number>();
    const url = await stack.url();
    for (
      let done = false;
      !done;
      done = await Promise.race([restore.then(() => true), sleep(20, false)])
    ) {
      const { status } = await fetch(`${url}/api/tasks`);
      statuses.add(status);
      if (status !== 200) failures.push(Date.now());
    }
    expect(await restore).toMatchObject({ code: 0 });
    expect([...statuses].filter((status) => status !== 200 && status !== 503)).toEqual([]);
    expect((failures.at(-1) ?? 0) - (failures[0] ?? 0)).toBeLessThan(2_000);

    expect(await contents(stack)).toBe(before);
    expect(await psql(stack, databaseRights)).toBe(rightsBefore);
    expect(await databases(stack)).toBe(only);
    const created = await stack.fetch('/api/tasks', postJson({ title: 'next' }));
    expect([created.status, created.headers.get('Location')]).toEqual([201, '/api/tasks/9']);
    await expect(psql(stack, 'SET ROLE taskapp_api; DROP TABLE tasks')).rejects.toThrow(
      'must be owner',
    );
    expect((await stack.inspect('db')).State.Health?.Status).toBe('healthy');
  });

  /** A dump made by hand, as from before the keys and the list of migrations. */
  function olderDump(): string {
    const file = join(temporaryDirectory(), 'by-hand.dump');
    const older = ['--exclude-table=idempotency_keys', '--exclude-schema=dbmate'];
    const dump = ['pg_dump', '-Fc', '-U', 'taskapp', ...older, 'taskdb'];
    fs.writeFileSync(file, stack.composeWithInput(Buffer.from(''), 'exec', '-T', 'db', ...dump));
    return file;
  }

  it('keep the replaced database, and restore an older dump made by hand', async () => {
    const file = olderDump();
    const before = await contents(stack);
    const { code, stderr } = await script(stack, 'restore.sh', file, '--yes');
    expect(stderr).toContain(`there is no ${file}.sha256`);
    expect(code).toBe(0);
    expect(await contents(stack)).toBe(before);
    const kept = /taskdb_before_restore_\w+/.exec(await databases(stack))?.[0];
    expect(await psql(stack, 'SELECT count(*) FROM tasks', kept)).toBe(
      await psql(stack, 'SELECT count(*) FROM tasks'),
    );
    expect(await script(stack, 'restore.sh', '--drop-kept')).toEqual({
      code: 0,
      stdout: '',
      stderr: `restore: dropped ${kept}\n`,
    });
    expect(await databases(stack)).toBe(only);
    const { headers, ...post } = postJson({ title: 'with a key' });
    const created = await stack.fetch('/api/tasks', {
      ...post,
      headers: { ...headers, 'Idempotency-Key': 'new' },
    });
    expect(created.status).toBe(201);
  });

  it('need what runs migrations only for a backup that lacks some, and try it first', async () => {
    const env = { ...environment(stack), POSTGRES_PASSWORD: 'edited since the first start' };
    const restore = (file: string) => {
      const args = [file, '--yes', '--drop-kept'];
      return ended(spawn(join(root, 'scripts/restore.sh'), args, { cwd: tmpdir(), env }));
    };
    const file = await backup(stack, temporaryDirectory());
    expect(await restore(file)).toMatchObject({ code: 0 });
    const { code, stderr } = await restore(olderDump());
    expect([code, stderr]).toEqual([1, expect.stringContaining('password authentication failed')]);
    expect(stderr).toContain('taskdb is as it was');
    expect(stderr).not.toContain('restoring into');
  });

  describe('a broken backup is refused and the database stays as it is:', () => {
    let directory = '';
    let file = '';
    let whole = Buffer.alloc(0);
    let before = '';
    beforeAll(async () => {
      directory = fs.mkdtempSync(join(tmpdir(), 'taskapp-backup-'));
      file = await backup(stack, directory);
      whole = fs.readFileSync(file);
      before = await contents(stack);
    });
    afterAll(() => fs.rmSync(directory, { recursive: true }));

    const refuses = async (message: RegExp, path = file) => {
      const { code, stdout, stderr } = await script(stack, 'restore.sh', path, '--yes');
      expect([code, stdout, stderr]).toEqual([1, '', expect.stringMatching(message)]);
      expect(await databases(stack)).toBe(only);
      expect(await contents(stack)).toBe(before);
    };
    const flipped = () => {
      const copy = Buffer.from(whole);
      // In the rows: they come last, and are compressed with a checksum at their end.
      for (let at = copy.length - 60; at < copy.length - 56; at++)
        copy[at] = copy.readUInt8(at) ^ 0xff;
      return copy;
    };
    const kinds: [string, () => Buffer][] = [
      ...[10, 50, 90, 99].map((percent): [string, () => Buffer] => [
        `truncated at ${percent} %`,
        () => whole.subarray(0, Math.floor((whole.length * percent) / 100)),
      ]),
      ['flipped bytes', flipped],
    ];
    it.each(kinds)('%s, with and without its .sha256', async (_, broken) => {
      fs.writeFileSync(file, broken());
      await refuses(/is damaged/);
      const copy = join(directory, 'copy.dump');
      fs.writeFileSync(copy, broken());
      await refuses(/is damaged|cannot be restored/, copy);
    });

    it('empty', async () => {
      fs.writeFileSync(file, '');
      await refuses(/is not a dump/);
    });

    it('of another database, by its name or by its tables', async () => {
      onTestFinished(async () => void (await psql(stack, 'DROP DATABASE other', 'postgres')));
      await psql(stack, 'CREATE DATABASE other', 'postgres');
      await psql(stack, 'CREATE TABLE tasks (id int)', 'other');
      const other = await backup(stack, directory, '--database', 'other');
      const { code, stderr } = await script(stack, 'restore.sh', other, '--yes');
      expect([code, stderr]).toEqual([
        1,
        expect.stringContaining('a backup of the database other, not of taskdb'),
      ]);
      // A whole dump, but its rows do not fit the .sums beside it.
      fs.writeFileSync(join(directory, 'mixed.dump'), whole);
      fs.copyFileSync(`${other}.sums`, join(directory, 'mixed.dump.sums'));
      const mixed = await script(stack, 'restore.sh', join(directory, 'mixed.dump'), '--yes');
      expect([mixed.code, mixed.stderr]).toEqual([
        1,
        expect.stringContaining('the restored tables differ'),
      ]);
      expect(await contents(stack)).toBe(before);
    });

    it('killed halfway: it is never named like a backup, and the next run removes it', async () => {
      await psql(
        stack,
        `CREATE TABLE bulk AS SELECT n, md5(n::text) FROM generate_series(1, 1000000) AS n;
         ALTER TABLE bulk ADD PRIMARY KEY (n)`,
      );
      onTestFinished(async () => void (await psql(stack, 'DROP TABLE bulk')));
      const target = temporaryDirectory();
      const child = start(stack, 'backup.sh', '--output-dir', target);
      await expect
        .poll(() => databases(stack), { timeout: 30_000, interval: 50 })
        .toContain('taskapp_verify_');
      child.kill('SIGKILL');
      await once(child, 'exit');
      const left = listed(target);
      expect(left.filter((name) => !name.endsWith('.part'))).toEqual([]);
      const part = left.find((name) => name.endsWith('.dump.part')) ?? '';
      const { code, stderr } = await script(stack, 'restore.sh', join(target, part), '--yes');
      expect([code, stderr]).toEqual([1, expect.stringContaining('is unfinished')]);

      const next = await backup(stack, target);
      expect(listed(target)).toEqual(
        ['', '.sha256', '.sums'].map((suffix) => `${basename(next)}${suffix}`),
      );
      expect(await databases(stack)).toBe(only);
    });
  });

  it('do not mind that the API writes during the backup', async () => {
    const running = backup(stack, temporaryDirectory());
    const url = await stack.url();
    let written = 0;
    for (
      let done = false;
      !done;
      done = await Promise.race([running.then(() => true), sleep(1, false)])
    ) {
      written +=
        (await fetch(`${url}/api/tasks`, postJson({ title: `during ${written}` }))).status === 201
          ? 1
          : 0;
    }
    await running;
    expect(written).toBeGreaterThan(10);
  });

  it.each([
    // pg_restore looks for names in their schema only, so the check finds no table.
    [
      'a check fails',
      "bool LANGUAGE sql AS 'SELECT EXISTS (SELECT FROM tasks)'",
      'int CHECK (odd(a))',
      /cannot be restored/,
    ],
    // Not as immutable as it says: in another database the column has another value.
    [
      'a column changes',
      "text LANGUAGE sql IMMUTABLE AS 'SELECT current_database()::text'",
      'int, b text GENERATED ALWAYS AS (odd(a)) STORED',
      /the restored database differs/,
    ],
  ])(
    'a dump is no backup when it does not bring back every row: %s',
    async (_, odd, column, message) => {
      const directory = temporaryDirectory();
      onTestFinished(async () => void (await psql(stack, 'DROP TABLE odd; DROP FUNCTION odd')));
      await psql(
        stack,
        `CREATE FUNCTION odd(int) RETURNS ${odd};
         CREATE TABLE odd (a ${column});
         INSERT INTO odd VALUES (1)`,
      );
      const { code, stdout, stderr } = await script(stack, 'backup.sh', '--output-dir', directory);
      expect([code, stdout, stderr]).toEqual([1, '', expect.stringMatching(message)]);
      expect(listed(directory)).toEqual([]);
      expect(await databases(stack)).toBe(only);
    },
  );

  it('a backup ends its snapshot before its check, so that VACUUM can go on', async () => {
    const child = start(stack, 'backup.sh', '--output-dir', temporaryDirectory(), '--verbose');
    const result = ended(child);
    for (let said = ''; !said.includes('restoring it');)
      said += String((await once(child.stderr ?? child, 'data'))[0]);
    child.kill('SIGSTOP'); // until the sessions are looked at
    const open = `
      SELECT count(*) FROM pg_stat_activity
      WHERE application_name = 'psql' AND state LIKE 'idle in transaction%'`;
    await expect
      .poll(() => psql(stack, open), { timeout: 30_000 })
      .toBe('0')
      .finally(() => child.kill('SIGCONT'));
    expect((await result).code).toBe(0);
  });

  it('a backup of another database writes no metric that would expect the next', async () => {
    await psql(stack, 'CREATE DATABASE other TEMPLATE template0');
    onTestFinished(async () => void (await psql(stack, 'DROP DATABASE other')));
    await psql(stack, 'CREATE TABLE things AS SELECT 1 AS a', 'other');
    const directory = temporaryDirectory();
    const times = () => fs.readdirSync(directory).filter((name) => name.endsWith('.prom'));
    stack.env.METRICS_DIR = directory;
    onTestFinished(() => void delete stack.env.METRICS_DIR);
    await good(stack, 'backup.sh', '--output-dir', directory, '--database', 'other');
    expect(times()).toEqual([]);
    await good(stack, 'backup.sh', '--output-dir', directory, '--database', 'taskdb');
    expect(times()).toEqual(['backup-taskdb.prom']);
    const rows = await psql(stack, 'SELECT count(*) FROM tasks');
    const metrics = fs.readFileSync(join(directory, 'backup-taskdb.prom'), 'utf8');
    expect(metrics).toContain(`taskapp_backup_rows{database="taskdb"} ${rows}\n`);
    expect(metrics).toContain(`taskapp_backup_rows_before_loss{database="taskdb"} ${rows}\n`);
  });

  it('one of two runs at once makes the backup, the other says so with 3', async () => {
    const directory = temporaryDirectory();
    const both = await Promise.all(
      [1, 2].map(() => script(stack, 'backup.sh', '--output-dir', directory)),
    );
    expect(new Set(both.map(({ code }) => code))).toEqual(new Set([0, 3]));
    expect(both.find(({ code }) => code === 3)?.stderr).toMatch(/another run holds the lock on/);
    expect(listed(directory)).toHaveLength(3);
  });

  it.skipIf(process.getuid?.() !== 0 || !fs.existsSync('/var/run/docker.sock'))(
    'a run leaves the scratch database of another user alone',
    async () => {
      // As a run of this process would name it, now and before the names had a user.
      const { pid } = process;
      const scratch = [`taskapp_verify_${process.getuid?.()}_${pid}`, `taskapp_verify_${pid}`];
      for (const name of scratch) await psql(stack, `CREATE DATABASE ${name}`);
      onTestFinished(async () => {
        for (const name of scratch) await psql(stack, `DROP DATABASE IF EXISTS ${name}`);
      });
      const repository = copyOfRepository();
      fs.chmodSync(repository, 0o755);
      const directory = temporaryDirectory();
      const [uid, { gid }] = [65_534, fs.statSync('/var/run/docker.sock')];
      fs.chownSync(directory, uid, gid);
      const file = join(repository, 'scripts/backup.sh');
      const env = { ...environment(stack), HOME: directory };
      const user = { cwd: '/', env, uid, gid };
      const run = await ended(spawn(file, ['--output-dir', directory], user));
      expect(run).toMatchObject({ code: 0 });
      for (const name of scratch) expect(await databases(stack)).toContain(name);
    },
  );

  it.skipIf(process.getuid?.() !== 0)(
    'a full disk fails the run and leaves the earlier backup alone',
    async () => {
      const directory = temporaryDirectory();
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'tmpfs', directory]);
      try {
        await backup(stack, directory);
        const before = listed(directory);
        await psql(
          stack,
          `CREATE TABLE noise AS
           SELECT gen_random_uuid() AS a, gen_random_uuid() AS b FROM generate_series(1, 1000000)`,
        );
        const { code, stdout, stderr } = await script(
          stack,
          'backup.sh',
          '--output-dir',
          directory,
        );
        await psql(stack, 'DROP TABLE noise');
        expect([code, stdout, stderr]).toEqual([
          1,
          '',
          expect.stringMatching(/Is there room\? \S+ free of 2.0M/),
        ]);
        expect(listed(directory)).toEqual(before);
        expect(await databases(stack)).toBe(only);
      } finally {
        execFileSync('umount', [directory]);
      }
    },
  );

  it('refuse to restore where there is too little room', async () => {
    const volume = join(temporaryDirectory(), 'compose.yml');
    const small = '{ driver_opts: { type: tmpfs, device: tmpfs, o: size=150m } }';
    fs.writeFileSync(volume, `volumes: { pgdata: ${small} }`);
    const full = new Stack({ files: ['compose.yml', volume] });
    onTestFinished(() => full.destroy());
    await full.compose('up', '-d', '--wait', 'db');
    const before = await contents(full);
    const file = await backup(full, temporaryDirectory());
    const restored = await script(full, 'restore.sh', file, '--yes', '--drop-kept');
    expect(restored).toMatchObject({ code: 0 });

    const dump = join(temporaryDirectory(), 'large.dump');
    const rows = "SELECT 'large ' || n FROM generate_series(1, 300000) AS n";
    await psql(stack, `INSERT INTO tasks (title) ${rows}`);
    onTestFinished(async () => {
      await psql(stack, "DELETE FROM tasks WHERE title LIKE 'large %'");
    });
    const command = ['exec', '-T', 'db', 'pg_dump', '-Fc', '-U', 'taskapp', 'taskdb'];
    fs.writeFileSync(dump, stack.composeWithInput(Buffer.from(''), ...command));
    expect(await script(full, 'restore.sh', dump, '--yes')).toMatchObject({
      code: 1,
      stdout: '',
      stderr: expect.stringMatching(/needs about \d+ MB, and \d+ MB are free/) as string,
    });
    expect(await databases(full)).toBe(only);
    expect(await contents(full)).toBe(before);
  });

  it('keep the first backup of each week for 5 weeks, and of each month for a year', async () => {
    const directory = temporaryDirectory();
    const days = Array.from({ length: 500 }, (_, n) => n + 1);
    const names = days.map((n) => `taskdb-${stamp(n + 0.01)}.dump`);
    for (const name of names) fs.writeFileSync(join(directory, name), '');
    const dry = await good(stack, 'backup.sh', '--output-dir', directory, '--dry-run');
    const removed = new Set(dry.match(/\S+\.dump/g));
    const kept = days.filter((_, at) => !removed.has(names[at] ?? ''));
    const dayOfMonth = (n: number) => Number(names[n - 1]?.slice(13, 15));
    expect(kept).toEqual(
      days.filter(
        (n) =>
          n < 7 ||
          (n < 35 && [1, 8, 15, 22, 29].includes(dayOfMonth(n))) ||
          (n < 372 && dayOfMonth(n) === 1),
      ),
    );
  });

  it('remove no backup while the new one has less than half the rows', async () => {
    await psql(stack, 'CREATE DATABASE other TEMPLATE template0');
    onTestFinished(async () => void (await psql(stack, 'DROP DATABASE other')));
    await psql(stack, 'CREATE TABLE things AS SELECT generate_series(1, 10) AS a', 'other');
    const directory = temporaryDirectory();
    const rich = await backup(stack, directory, '--database', 'other');
    const old = [800, 799, 798, 797].map((n) => `other-${stamp(n)}.dump`);
    for (const name of old) fs.writeFileSync(join(directory, name), '');
    const dumps = () => listed(directory).filter((name) => name.endsWith('.dump'));

    await psql(stack, 'DELETE FROM things WHERE a > 4', 'other');
    const options = ['--output-dir', directory, '--database', 'other'];
    expect(await script(stack, 'backup.sh', ...options)).toMatchObject({
      code: 0,
      stderr: expect.stringContaining(`has 4 rows, but ${rich} has 10, so no backup is`) as string,
    });
    expect(dumps()).toHaveLength(6);

    await psql(stack, 'INSERT INTO things VALUES (5)', 'other');
    await backup(stack, directory, '--database', 'other');
    expect(dumps().filter((name) => old.includes(name))).toEqual([]);
  });

  it('keep 7 days and the newest 3, of this database, and only after a good backup', async () => {
    const directory = temporaryDirectory();
    const daysOnly = ['--retain-weeks', '0', '--retain-months', '0'];
    const others = [
      'taskdb-copy-20200101T000000Z.dump',
      'other-20200101T000000Z.dump',
      'taskdb-by-hand.dump',
    ];
    const names = [10, 9, 8, 6].map((days) => `taskdb-${stamp(days)}.dump`);
    for (const name of [...others, ...names])
      for (const suffix of ['', '.sums', '.sha256'])
        fs.writeFileSync(join(directory, name + suffix), '');
    const before = listed(directory);

    const absent = new Stack();
    const failed = await script(absent, 'backup.sh', '--output-dir', directory);
    expect([failed.code, failed.stderr]).toEqual([
      1,
      'backup: the database is not running; start it with docker compose up -d --wait db\n',
    ]);
    expect(listed(directory)).toEqual(before);

    const dry = await good(stack, 'backup.sh', '--output-dir', directory, '--dry-run', ...daysOnly);
    expect(dry).toMatch(/would write .*\.dump and remove 2: /);
    expect(dry).toContain(`${names[0]} ${names[1]}`);
    expect(listed(directory)).toEqual(before);

    const file = await backup(stack, directory, ...daysOnly);
    const dumps = listed(directory).filter((name) => name.endsWith('.dump'));
    expect(dumps).toEqual([...others, ...names.slice(2), basename(file)].toSorted());
    expect(listed(directory)).toHaveLength(3 * dumps.length);
  });

  const example = fs.readFileSync(join(root, '.env.prod.example'), 'utf8');
  it.each([
    ['a .env that is a link to .env.prod', example, 'docker compose'],
    ['.env.prod alone', example, 'docker compose --env-file .env.prod'],
    [
      'a .env.prod from before it named the Compose files',
      example.replace(/^COMPOSE_FILE=.*\n/m, ''),
      'docker compose --env-file .env.prod -f compose.yml -f compose.prod.yml',
    ],
  ])('say on a server with %s what is to be typed there', async (what, settings, typed) => {
    const directory = copyOfRepository();
    fs.writeFileSync(join(directory, '.env.prod'), settings);
    if (what.includes('link')) fs.symlinkSync('.env.prod', join(directory, '.env'));
    const env: NodeJS.ProcessEnv = { ...process.env, COMPOSE_PROJECT_NAME: new Stack().project };
    delete env.COMPOSE_FILE;
    const child = spawn(join(directory, 'scripts/backup.sh'), { cwd: tmpdir(), env });
    const { code, stderr } = await ended(child);
    const message = `backup: the database is not running; start it with ${typed} up -d --wait db\n`;
    expect([code, stderr]).toEqual([1, message]);
  });

  it.each([
    ['backup.sh', ['--retain-days', '0']],
    ['backup.sh', ['--retain-weeks', '08']],
    ['backup.sh', ['--retain-months', '-1']],
    ['backup.sh', ['--output-dir']],
    ['restore.sh', []],
    ['restore.sh', ['--force', 'x.dump']],
    ['restore.sh', ['', '--yes', '--drop-kept']],
    ['restore-test.sh', ['--max-age-hours', 'x']],
  ])('%s %j is answered with usage and 2, --help with 0', async (name, args) => {
    const { code, stderr } = await script(stack, name, ...args);
    expect([code, stderr]).toEqual([2, expect.stringContaining('see --help')]);
    expect(await good(stack, name, '--help')).toContain(`Usage: scripts/${name}`);
  });

  describe('scripts/restore-test.sh', () => {
    it('restores the newest backup in its own container; fails without a good one', async () => {
      const directory = temporaryDirectory();
      const file = await backup(stack, directory);
      for (const suffix of ['', '.sums', '.sha256'])
        fs.writeFileSync(join(directory, `taskdb-${stamp(3)}.dump${suffix}`), 'not looked at');
      const drill = () => start(stack, 'restore-test.sh', '--dir', directory);
      const first = drill();
      const { code, stdout, stderr } = await ended(first);
      expect([code, stderr]).toEqual([0, '']);
      expect(stdout).toMatch(
        /^restore-test: \S+ is good: restored in \d+ s, every table is equal, and a new row was accepted\n$/,
      );
      expect(stdout).toContain(file);
      const container = `name=taskapp-restore-test-${first.pid}$`;
      expect(await docker('ps', '--all', '--quiet', '--filter', container)).toBe('');

      fs.appendFileSync(file, 'x');
      expect(await ended(drill())).toMatchObject({
        code: 1,
        stderr: expect.stringContaining('is damaged') as string,
      });
      fs.rmSync(file);
      expect(await ended(drill())).toMatchObject({
        code: 1,
        stderr: expect.stringContaining('is older than 26 hours') as string,
      });
    });
  });
});

describe('scripts/record-run.sh', () => {
  const record = (directory: string, ...args: string[]) =>
    ended(
      spawn(join(root, 'scripts/record-run.sh'), args, {
        env: { ...process.env, METRICS_DIR: directory },
      }),
    );
  const read = (directory: string, file: string) =>
    fs.readFileSync(join(directory, file), 'utf8').replaceAll(/ \d{10}$/gm, ' TIME');

  it('writes how a command ended, for everybody to read, and ends as it did', async () => {
    const directory = temporaryDirectory();
    expect(await record(directory, 'backup', 'sh', '-c', 'umask 077; exit 4')).toMatchObject({
      code: 4,
      stderr: '',
    });
    expect(listed(directory)).toEqual(['run-backup.prom']);
    expect(read(directory, 'run-backup.prom')).toBe('taskapp_run_exit_code{run="backup"} 4\n');
    expect(fs.statSync(join(directory, 'run-backup.prom')).mode & 0o777).toBe(0o644);
  });

  it('keeps the time of the last success when a later run fails', async () => {
    const directory = temporaryDirectory();
    expect(await record(directory, 'restore-test', 'true')).toMatchObject({ code: 0 });
    const success = read(directory, 'run-restore-test-success.prom');
    expect(success).toBe('taskapp_run_last_success_timestamp_seconds{run="restore-test"} TIME\n');
    expect(await record(directory, 'restore-test', 'false')).toMatchObject({ code: 1 });
    expect(read(directory, 'run-restore-test-success.prom')).toBe(success);
  });

  it('runs the command also where it cannot write', async () => {
    expect(await record('/nonexistent', 'backup', 'echo', 'done')).toMatchObject({
      code: 0,
      stdout: 'done\n',
      stderr: expect.stringContaining('cannot write') as string,
    });
    expect(await record('/nonexistent', 'backup')).toMatchObject({ code: 2 });
  });
});

describe('scripts/systemd/', () => {
  const units = ['backup', 'restore-test', 'offsite', 'offsite-restore-test'].flatMap((name) => [
    `taskapp-${name}.service`,
    `taskapp-${name}.timer`,
  ]);
  const verifies = () => {
    try {
      return execFileSync('systemd-analyze', ['--version']).length > 0;
    } catch {
      return false;
    }
  };

  it.skipIf(!verifies())('has units that systemd accepts', () => {
    const directory = temporaryDirectory();
    for (const unit of units) {
      const text = fs.readFileSync(join(root, 'scripts/systemd', unit), 'utf8');
      fs.writeFileSync(join(directory, unit), text.replaceAll('/opt/taskapp', root));
    }
    const output = execFileSync(
      'systemd-analyze',
      ['verify', ...units.map((unit) => join(directory, unit))],
      { stdio: 'pipe' },
    );
    expect(output.toString()).toBe('');
  });

  it('runs the backup daily at 2 and the drill weekly, and makes up for a missed run', () => {
    const timer = (name: string) =>
      fs.readFileSync(join(root, `scripts/systemd/taskapp-${name}.timer`), 'utf8');
    expect(timer('backup')).toContain('OnCalendar=*-*-* 02:00:00');
    expect(timer('restore-test')).toContain('OnCalendar=Sun *-*-* 04:00:00');
    expect(timer('offsite-restore-test')).toContain('OnCalendar=Sun *-*-* 05:00:00');
    for (const name of ['backup', 'restore-test'])
      expect(timer(name)).toMatch(/RandomizedDelaySec=\d+min[^]*Persistent=true/);
  });
});
