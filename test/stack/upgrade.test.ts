// scripts/upgrade-postgres.sh on production, under load, and what refuses a volume of another
// version.
import { execFile, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, inject, it, onTestFinished } from 'vitest';
import { root } from '../lib/copy.ts';
import { has } from '../lib/images.ts';
import { Installation, lines } from '../lib/installation.ts';
import { Load, Script } from '../lib/live.ts';
import { docker, psql, Stack } from '../lib/stack.ts';

const run = promisify(execFile);
const from = 'postgres:17-alpine';
const to = 'postgres:18-alpine';

const notRunBecause =
  inject('notRunBecause') || (has(to) ? '' : `.ci/images ${to} has not been run`);
if (notRunBecause) console.warn(`NOT RUN: the upgrade of PostgreSQL: ${notRunBecause}`);

describe.skipIf(notRunBecause)('scripts/upgrade-postgres.sh', () => {
  const installation = new Installation();
  const { name, directory, env, settings, compose } = installation;

  const upgrade = (...args: string[]) => installation.script('upgrade-postgres.sh', ...args);
  /** The same with another `docker`, which kills the script after this command. */
  function upgradeKilledAfter(command: string): Script {
    const tools = mkdtempSync(join(directory, 'tools-'));
    const program = execFileSync('sh', ['-c', 'command -v docker']).toString().trim();
    writeFileSync(
      join(tools, 'docker'),
      [
        '#!/bin/sh',
        `case "$*" in "${command}"*) ;; *) exec "${program}" "$@" ;; esac`,
        `"${program}" "$@"`,
        'kill -KILL $PPID',
      ].join('\n'),
      { mode: 0o755 },
    );
    const PATH = `${tools}:${process.env.PATH}`;
    return new Script(directory, { ...env, PATH }, 'upgrade-postgres.sh', '18');
  }
  const sql = async (statement: string, database?: string) =>
    (await compose('exec', '-T', 'db', ...psql(database), '-c', statement)).trim();
  const version = async () =>
    Math.floor(Number(await sql('SHOW server_version_num', 'postgres')) / 10_000);
  const namesOf = async (...command: string[]) => lines(await docker(...command)).toSorted();
  const volumes = () =>
    namesOf('volume', 'ls', '--format', '{{.Name}}', '--filter', `name=${name}_pgdata`);
  const containers = () =>
    namesOf('ps', '--all', '--format', '{{.Names}}', '--filter', `name=${name}-db`);
  /** What every table has, as the backups compare it. */
  const sums = async (database?: string) => {
    const input = readFileSync(join(root, 'scripts/table-sums.sql'));
    const args = ['exec', '-i', `${name}-db-1`, ...psql(database)];
    return execFileSync('docker', args, { input }).toString();
  };

  // 503: not stored. 504: the outcome is unknown, because the connection ended with the server.
  const load = async () =>
    new Load({ ...(await installation.server()), perSecond: 50, accepted: [200, 201, 503, 504] });
  const stored = async () => lines(await sql("SELECT title FROM tasks WHERE title LIKE 'load %'"));
  const takesWrites = (title: string) =>
    sql(`SET ROLE taskapp_api; INSERT INTO tasks (title) VALUES ('${title}')`);

  /** PostgreSQL 17 serves and takes writes, and nothing else is left of an upgrade. */
  async function isAsBefore(): Promise<void> {
    expect(await version()).toBe(17);
    await takesWrites('still writable');
    expect(await volumes()).toEqual([`${name}_pgdata`]);
    expect(await containers()).toEqual([`${name}-db-1`]);
    expect(settings()).not.toMatch(/^(PREVIOUS_)?POSTGRES_/m);
  }

  beforeAll(async () => {
    await installation.prepare();
    for (const image of ['web', 'api'])
      await docker('tag', `${inject('images')}-${image}`, `${name}-${image}:1.0.0`);
    await compose('up', '-d', '--wait', '--no-build');

    await sql(String.raw`
      INSERT INTO tasks (title, status) VALUES
        ('née "ß" ''\t'' 日本', E'a\tb'), (repeat('🙂', 255), '\N'), (E'two\nlines', 'x|y');
      CREATE TABLE bulk AS SELECT n, md5(n::text) FROM generate_series(1, 2000000) AS n;
      CREATE ROLE reader LOGIN PASSWORD 'of the reader'; GRANT SELECT ON tasks TO reader`);
    await sql('CREATE DATABASE other', 'postgres');
    await sql("CREATE TABLE more AS SELECT 'CREATE ROLE taskapp;' AS text", 'other');
  });
  afterAll(async () => {
    await installation.remove();
    for (const volume of await volumes()) await docker('volume', 'rm', volume);
  });

  it('refuses before anything: a held lock, no space, a version that is not newer', async () => {
    const holder = spawn('bash', ['-c', 'exec 9<"$0"; flock 9; echo; exec sleep 600', directory]);
    await once(holder.stdout, 'data');
    const locked = await upgrade('18').ended;
    holder.kill('SIGKILL');
    await once(holder, 'exit');
    expect(locked).toMatchObject({ code: 3, output: expect.stringContaining('wait') as string });

    // The size of a database is that of its files, of which this one takes no space.
    const file =
      '/var/lib/postgresql/data/base/$(psql -At -U taskapp -d taskdb -c "SELECT oid FROM pg_database WHERE datname = \'taskdb\'")/1';
    await compose('exec', '-T', 'db', 'sh', '-c', `truncate -s 8000G ${file}`);
    const full = await upgrade('18').ended;
    await compose('exec', '-T', 'db', 'sh', '-c', `rm ${file}`);
    expect(full.output).toMatch(/^upgrade-postgres: not enough space: .* 8\d{6} MB, .* nothing/);
    expect(full.code).toBe(1);

    await sql('ALTER DATABASE other ALLOW_CONNECTIONS false', 'postgres');
    const closed = await upgrade('18').ended;
    await sql('ALTER DATABASE other ALLOW_CONNECTIONS true', 'postgres');
    expect([closed.code, closed.output]).toEqual([1, expect.stringContaining('other would not')]);

    const output = 'upgrade-postgres: the database is PostgreSQL 17 already\n';
    expect(await upgrade('16').ended).toEqual({ code: 1, output });
    expect(await upgrade('17').ended).toEqual({ code: 0, output });
    expect((await upgrade('--back').ended).output).toContain('there is nothing to go back to');
    await isAsBefore();
  });

  it('leaves the settings as they were if Compose does not read what is written', async () => {
    const before = settings();
    const write = '. scripts/portable.sh; . scripts/compose.sh; write_settings "$@"';
    const changes = ['POSTGRES_VOLUME=other', 'POSTGRES_MOUNT=/other # a comment'];
    const options = { cwd: directory, env: { ...process.env, ...env } };
    await expect(
      run('bash', ['-euo', 'pipefail', '-c', write, 'bash', ...changes], options),
    ).rejects.toThrow('cannot write POSTGRES_MOUNT=/other');
    expect(settings()).toBe(before);
  });

  it('leaves the old version serving if the copy fails or is stopped', async () => {
    const during = async (action: (script: Script) => unknown, message: string) => {
      const script = upgrade('18');
      await script.says('copying from');
      await expect(takesWrites('refused')).rejects.toThrow('read-only transaction');
      await action(script);
      const { code, output } = await script.ended;
      expect(output).toContain(message);
      expect(code).not.toBe(0);
      await isAsBefore();
    };
    await during(() => docker('kill', `${name}-db-upgrade`), 'the copy failed');
    await during((script) => script.pressCtrlC(), 'PostgreSQL 17 goes on serving');
    await during((script) => script.hangUp(), '');
    await during(() => sql('SELECT pg_reload_conf()'), 'writes were possible');
    const inCopy = (statement: string) =>
      docker('exec', `${name}-db-upgrade`, ...psql('other'), '-c', statement).catch(String);
    await during(async () => {
      await expect
        .poll(() => inCopy('SELECT count(*) FROM more'), { timeout: 60_000, interval: 20 })
        .toBe('1\n');
      await sql('BEGIN READ WRITE; INSERT INTO more VALUES (1); COMMIT', 'other');
    }, 'other.public.more|2|');
  });

  it('makes the old version take writes again after a run that was killed', async () => {
    const killed = upgrade('18');
    await killed.says('copying from');
    killed.kill('SIGKILL');
    await killed.ended;
    await expect(takesWrites('refused')).rejects.toThrow('read-only transaction');
    const { code, output } = await upgrade('17').ended;
    expect([code, output]).toEqual([0, expect.stringContaining('PostgreSQL 17 already')]);
    await isAsBefore();
  });

  it('leaves the old version serving if the new one does not start after the copy', async () => {
    const broken = `${name}-postgres:18`;
    execFileSync('docker', ['build', '--quiet', '--tag', broken, '-'], {
      input: [
        `FROM ${to}`,
        'RUN cd /usr/local/bin && mv docker-entrypoint.sh entrypoint.sh \\',
        `  && printf '#!/bin/sh\\n[ ! -s "$PGDATA/PG_VERSION" ] && exec entrypoint.sh "$@"\\n' \\`,
        '    >docker-entrypoint.sh && chmod +x docker-entrypoint.sh',
      ].join('\n'),
    });
    onTestFinished(async () => void (await docker('image', 'rm', '--force', broken)));
    const { code, output } = await upgrade('18', '--image', broken).ended;
    expect(output).toContain(`${broken} does not run on ${name}_pgdata-18: `);
    expect(output).toContain(`${from} runs again`);
    expect(code).toBe(1);
    expect(await version()).toBe(17);
    await takesWrites('still writable');
    expect(await volumes()).toEqual([`${name}_pgdata`]);
  });

  it(
    'loses no write if the new version runs, but is not healthy',
    { timeout: 300_000 },
    async () => {
      const file = join(directory, 'db/health.sh');
      const before = readFileSync(file, 'utf8');
      onTestFinished(() => writeFileSync(file, before));
      writeFileSync(file, `[ "$PG_MAJOR" = 17 ] || exit 1\n${before}`);
      const running = await load();
      const { code, output } = await upgrade('18').ended;
      expect([code, output]).toEqual([1, expect.stringContaining(`${from} runs again`)]);
      const after = running.acknowledged.length;
      await expect
        .poll(() => running.acknowledged.length, { timeout: 30_000 })
        .toBeGreaterThan(after);
      await running.stop();

      expect(running.failures).toEqual([]);
      const titles = await stored();
      expect(running.acknowledged.filter((title) => !titles.includes(title))).toEqual([]);
      expect(await version()).toBe(17);
      expect(await volumes()).toEqual([`${name}_pgdata`]);
    },
  );

  it('refuses the other image on the old volume, and says what to do', async () => {
    const before = settings();
    appendFileSync(join(directory, '.env.prod'), `POSTGRES_IMAGE=${to}\n`);
    await compose('up', '-d', '--no-deps', 'db');
    const log = () => compose('logs', '--no-log-prefix', 'db');
    const said =
      'taskapp db: refused: the volume is of PostgreSQL 17, but the image is of 18: set ' +
      'POSTGRES_IMAGE back; to upgrade, start db, then run scripts/upgrade-postgres.sh 18\n';
    await expect.poll(log, { timeout: 30_000 }).toContain(said);
    writeFileSync(join(directory, '.env.prod'), before);
    await compose('up', '-d', '--no-deps', '--wait', 'db');
    await takesWrites('still writable');
  });

  it('leaves every row in the old version whenever it is killed', async () => {
    const rows = await sums();
    const copying = upgrade('18');
    await copying.says('copying from');
    copying.kill('SIGKILL');
    await copying.ended;
    expect([await version(), await sums()]).toEqual([17, rows]);

    const stopped = await upgradeKilledAfter('compose stop db').ended;
    expect(stopped.output).toContain('replacing');
    expect(await containers()).toEqual([`${name}-db-1`, `${name}-db-upgrade`]);

    const copied = await upgradeKilledAfter('stop --time 300').ended;
    expect(copied.code).toBeNull();
    expect(copied.output).toContain('comparing every table');
    expect([await version(), await sums()]).toEqual([17, rows]);
  });

  it('then moves every row to PostgreSQL 18, and loses no acknowledged write of a load', async () => {
    await expect
      .poll(
        async () => await compose('exec', '-T', 'web', 'wget', '-qO-', 'http://api:8080/healthz'),
      )
      .toContain('healthy');
    const other = await sums('other');
    const running = await load();
    const { code, output } = await upgrade('18').ended;
    expect([code, output]).toEqual([0, expect.stringContaining('PostgreSQL 18 is running')]);
    const after = running.acknowledged.length;
    await expect
      .poll(() => running.acknowledged.length, { timeout: 30_000 })
      .toBeGreaterThan(after);
    await running.stop();
    console.log(`the upgrade: ${output.split('\n').at(-2)}`, running.answers);

    expect(running.failures).toEqual([]);
    const titles = await stored();
    expect(running.acknowledged.filter((title) => !titles.includes(title))).toEqual([]);
    expect(await version()).toBe(18);
    expect(await sums('other')).toBe(other);
    expect(await sql("SELECT title FROM tasks WHERE status = 'x|y'")).toBe('two\nlines');
    expect(await sql('SELECT count(*) FROM bulk')).toBe('2000000');
    expect(
      await sql("SELECT rolpassword LIKE 'SCRAM%' FROM pg_authid WHERE rolname = 'reader'"),
    ).toBe('t');
    expect(await sql("SELECT has_table_privilege('reader', 'tasks', 'SELECT')")).toBe('t');
    expect(await sql("SELECT has_database_privilege('reader', 'postgres', 'CONNECT')")).toBe('f');
    expect(await volumes()).toEqual([`${name}_pgdata`, `${name}_pgdata-18`]);
    expect(await containers()).toEqual([`${name}-db-1`]);
    const mounts = await docker('inspect', '--format', '{{json .Mounts}}', `${name}-db-1`);
    expect(mounts).toContain(`"Name":"${name}_pgdata-18"`);
  });

  it('is what Compose runs from then on, and scripts/backup.sh works with it', async () => {
    const id = await compose('ps', '--quiet', 'db');
    await compose('up', '-d', '--wait', '--no-build');
    expect(await compose('ps', '--quiet', 'db')).toBe(id);
    const metrics = { ...env, METRICS_DIR: directory };
    const { code, output } = await new Script(directory, metrics, 'backup.sh').ended;
    expect([code, output]).toEqual([0, expect.stringContaining('verified')]);
    const drill = await new Script(directory, env, 'restore-test.sh').ended;
    expect([drill.code, drill.output]).toEqual([0, expect.stringContaining('is good')]);
  });

  it('goes back with one command, and keeps both volumes', async () => {
    await takesWrites('written on 18');
    const { code, output } = await upgrade('--back').ended;
    expect([code, output]).toEqual([0, expect.stringContaining(`${from} is running`)]);
    expect(await version()).toBe(17);
    await takesWrites('written on 17 again');
    expect(await sql("SELECT count(*) FROM tasks WHERE title = 'written on 18'")).toBe('0');
    expect(await volumes()).toEqual([`${name}_pgdata`, `${name}_pgdata-18`]);
    expect((await upgrade('--back').ended).output).toContain('there is nothing to go back to');
    const again = await upgrade('18').ended;
    expect([again.code, again.output]).toEqual([
      1,
      expect.stringContaining(`docker volume rm ${name}_pgdata-18`),
    ]);
    expect(await version()).toBe(17);
  });

  it('is upgraded by a run that is killed after the switch, and by another one', async () => {
    await docker('volume', 'rm', `${name}_pgdata-18`);
    expect((await upgradeKilledAfter('compose up -d').ended).output).toContain('replacing');
    expect(await version()).toBe(18);
    await expect(takesWrites('refused')).rejects.toThrow('read-only transaction');
    const { code, output } = await upgrade('18').ended;
    expect([code, output]).toEqual([0, expect.stringContaining('PostgreSQL 18 already')]);
    await takesWrites('writable again');
    expect(await volumes()).toEqual([`${name}_pgdata`, `${name}_pgdata-18`]);
    expect(await containers()).toEqual([`${name}-db-1`]);
  });
});

describe.skipIf(notRunBecause)('a volume and an image of two versions, in development', () => {
  it.each([
    [{ POSTGRES_IMAGE: to }, 'set POSTGRES_MOUNT=/var/lib/postgresql'],
    [
      { POSTGRES_IMAGE: from, POSTGRES_MOUNT: '/var/lib/postgresql' },
      'the volume is of PostgreSQL 18, but the image is of 17: set POSTGRES_IMAGE to 18',
    ],
    [
      { POSTGRES_IMAGE: from },
      'the volume is of PostgreSQL 18, but the image is of 17: set POSTGRES_IMAGE to 18',
    ],
  ])('%o after 18: refused in one line', async (change, message) => {
    const stack = new Stack({ files: ['compose.yml', 'compose.override.yml'] });
    onTestFinished(() => stack.destroy());
    const newer = { POSTGRES_IMAGE: to, POSTGRES_MOUNT: '/var/lib/postgresql' };
    Object.assign(stack.env, newer);
    await stack.compose('up', '-d', '--wait', 'db');
    await stack.compose('rm', '--stop', '--force', 'db'); // otherwise Compose keeps its mounts
    for (const setting of Object.keys(newer)) delete stack.env[setting];
    Object.assign(stack.env, change);
    await stack.compose('up', '-d', 'db');
    const log = () => stack.compose('logs', '--no-log-prefix', 'db');
    await expect.poll(log, { timeout: 30_000 }).toContain(`taskapp db: refused: `);
    expect(await log()).toContain(message);
  });
});
