// The disasters of docs/runbooks.md that concern the database, on production as on a server: each
// test runs the commands of the text.
import { execFile, execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, inject, it, onTestFinished } from 'vitest';
import { copyForAll, root } from '../lib/copy.ts';
import { follow, runbook } from '../lib/documents.ts';
import { Script } from '../lib/live.ts';
import { docker, psql } from '../lib/stack.ts';

const run = promisify(execFile);

const isInstalled = () => {
  try {
    return execFileSync('restic', ['version'], { stdio: 'pipe' }).length > 0;
  } catch {
    return false;
  }
};

describe.skipIf(inject('notRunBecause'))('in a disaster, the runbook', () => {
  const name = `taskapp-test-${crypto.randomUUID().slice(0, 8)}`;
  const env = {
    ...process.env,
    COMPOSE_FILE: undefined,
    COMPOSE_ENV_FILES: undefined,
    TAG: undefined,
    HTTP_PORT: '0',
    HTTPS_PORT: '0',
    COMPOSE_PROJECT_NAME: name,
    IMAGE_PREFIX: name,
    POSTGRES_VOLUME: 'pgdata-18', // as after an upgrade
  };
  const directory = copyForAll();
  const inDirectory = async (file: string, ...args: string[]) =>
    (await run(file, args, { cwd: directory, env })).stdout;
  const compose = (...args: string[]) => inDirectory('docker', 'compose', ...args);
  async function removeAll() {
    await compose('down', '--volumes', '--timeout', '0');
    const images = ['api', 'web'].map((tier) => `${name}-${tier}:1.0.0`);
    await docker('image', 'rm', '--force', ...images);
  }
  const sql = async (statement: string) =>
    (await compose('exec', '-T', 'db', ...psql(), '-c', statement)).trim();
  const script = async (file: string, ...args: string[]) => {
    const { code, output } = await new Script(directory, env, file, ...args).ended;
    expect([code, output]).toEqual([0, output]);
  };
  const token = () => readFileSync(join(directory, 'secrets/api_token'), 'utf8').trim();
  /** What a client gets from /api/tasks with this query. */
  async function tasks(query: string): Promise<string> {
    const port = (await compose('port', 'web', '443')).trim().split(':').at(-1);
    const ask = ['--cacert', 'secrets/tls.crt', '-H', `Authorization: Bearer ${token()}`];
    return inDirectory('curl', '-sS', ...ask, `https://localhost:${port}/api/tasks?${query}`);
  }
  /** Runs the commands of the text, except for the one that also judges this machine. */
  const followed = (commands: string) =>
    follow(commands.replace('scripts/check-health.sh\n', ''), directory, env);

  beforeAll(async () => {
    await script('make-secrets.sh', '--self-signed', 'localhost');
    await compose('up', '-d', '--build', '--wait');
  });
  afterAll(async () => {
    await removeAll();
    rmSync(directory, { recursive: true });
  });

  it('brings back rows that were deleted by mistake, and only those', async () => {
    await sql(`INSERT INTO tasks (title)
               SELECT 'mistake ' || n FROM generate_series(1, 9) AS n`);
    await sql(`INSERT INTO tasks (title) VALUES ('on purpose'), (E'it''s\non two lines')`);
    const before = await sql('SELECT * FROM tasks ORDER BY id');
    await script('backup.sh');
    await sql("DELETE FROM tasks WHERE title LIKE 'mistake %' OR title LIKE 'on purpose'");
    await sql("DELETE FROM tasks WHERE title LIKE 'it%'");
    await sql("UPDATE tasks SET status = 'since then' WHERE id = 1");
    await sql("INSERT INTO tasks (title) VALUES ('since then')");
    const next = Number(await sql("SELECT nextval('tasks_id_seq')")) + 1;

    const text = (...words: string[]) => runbook('Rows deleted by mistake', ...words);
    await followed(text('cp "$(ls backups', 'createdb'));
    const rows = join(directory, 'backups/rows.sql');
    const inserts = readFileSync(rows, 'utf8');
    expect(inserts).toMatch(/^INSERT .*'on purpose'.*\n/m);
    writeFileSync(rows, inserts.replace(/^INSERT .*'on purpose'.*\n/m, ''));
    const seen = await followed(text('psql -q'));

    const wanted = before.split('\n').filter((row) => !row.includes('on purpose'));
    const now = (await sql('SELECT * FROM tasks ORDER BY id')).split('\n');
    expect(now.filter((row) => !row.includes('since then'))).toEqual(
      wanted.filter((row) => !row.startsWith('1|')),
    );
    expect(now.filter((row) => row.includes('since then'))).toHaveLength(2);
    expect(seen).toMatch(new RegExp(`^ +${await sql('SELECT count(*) FROM tasks')}$`, 'm'));
    expect(Number(await sql("SELECT nextval('tasks_id_seq')"))).toBe(next);
    await followed(text('dropdb'));
    expect(await sql("SELECT count(*) FROM pg_database WHERE datname = 'before'")).toBe('0');
  });

  it('finds out what fills the disk, and starts the database again', async () => {
    const text = runbook('Disk full', 'df -h', 'restart db');
    const before = await sql('SELECT pg_postmaster_start_time()');
    expect(await followed(text)).toMatch(
      /^Filesystem[^]+^Filesystem[^]+^[\d.]+[KMG]\t\.\/backups\/$/m,
    );
    expect(await sql('SELECT pg_postmaster_start_time()')).not.toBe(before);
  });

  it('replaces a corrupt database, and saves what can still be read', async () => {
    const many = "SELECT 'many ' || n FROM generate_series(1, 1000) AS n";
    await sql(`INSERT INTO tasks (title) ${many}`);
    await script('backup.sh');
    const backedUp = await sql('SELECT * FROM tasks ORDER BY id');
    await sql("INSERT INTO tasks (title) VALUES ('after the backup')");
    const page = "SELECT (ctid::text::point)[0] FROM tasks WHERE title = 'after the backup'";
    const damaged = (await sql(page)) === '0' ? 1 : 0;
    await sql('CHECKPOINT');
    const file = await sql("SELECT pg_relation_filepath('tasks')");
    const image = (await compose('config', '--images', 'db')).trim();
    const offset = damaged * 8192 + 4_000;
    const damage = `printf %064d 0 | dd of=/data/${file} bs=1 seek=${offset} conv=notrunc`;
    await docker('run', '--rm', '-v', `${name}_pgdata-18:/data`, image, 'sh', '-c', damage);
    await compose('restart', 'db'); // otherwise it has the page in memory
    await compose('up', '-d', '--wait', 'db');
    const failed = await new Script(directory, env, 'backup.sh').ended;
    expect(failed).toMatchObject({ code: 1, output: expect.stringContaining('invalid page') });

    onTestFinished(async () => void (await docker('volume', 'rm', `${name}_corrupt`)));
    const text = (...words: string[]) =>
      runbook('Database corrupt', ...words).replaceAll('taskapp_', `${name}_`);
    await followed(text('cp -a', 'docker volume rm', 'zero_damaged_pages'));
    expect(await sql('SELECT * FROM tasks ORDER BY id')).toBe(backedUp);
    await followed(runbook('Rows deleted by mistake', 'createdb', 'psql -q'));
    await followed(text('up -d --wait\n'));
    const missing = "SELECT count(*) FROM tasks WHERE title = 'after the backup'";
    expect(await sql(missing)).toBe('1');
    expect(await tasks('limit=1')).toContain('after the backup');
    await sql("INSERT INTO tasks (title) VALUES ('since then')");
  });

  it.skipIf(!isInstalled())('brings a lost server back from the copy elsewhere', async () => {
    const repository = mkdtempSync(join(tmpdir(), 'taskapp-restic-'));
    onTestFinished(() => rmSync(repository, { recursive: true }));
    const settings = join(repository, 'restic.env');
    const restic = {
      RESTIC_REPOSITORY: join(repository, 'copies'),
      RESTIC_PASSWORD: 'only for this test',
      RESTIC_CACHE_DIR: join(repository, 'cache'),
    };
    const lines = Object.entries(restic).map(([key, value]) => `${key}='${value}'\n`);
    writeFileSync(settings, lines.join(''));
    await run('restic', ['init'], { env: { ...env, ...restic } });
    await sql("INSERT INTO tasks (title) VALUES ('before the last backup')");
    await script('backup.sh');
    const also = join(repository, 'archive');
    mkdirSync(also);
    writeFileSync(join(also, 'a-file-of-the-archive'), '');
    await runUnit('taskapp-offsite', { ...restic, ALSO: also }, repository);
    const { RESTIC_REPOSITORY, ...rest } = restic;
    const listed = await run('restic', ['ls', 'latest', '--repo', RESTIC_REPOSITORY], {
      env: { ...env, ...rest },
    });
    expect(listed.stdout).toContain('/a-file-of-the-archive');
    await runUnit('taskapp-offsite-restore-test', restic, repository);
    const before = { rows: await sql('SELECT * FROM tasks ORDER BY id'), token: token() };
    await sql("INSERT INTO tasks (title) VALUES ('after it')");

    await removeAll();
    rmSync(directory, { recursive: true });
    renameSync(copyForAll(), directory);
    await script('make-secrets.sh', '--self-signed', 'localhost'); // as provision.sh does
    const text = runbook('Server lost', 'restic snapshots', 'restore.sh', 'up -d --build');
    const commands = text.replace('/etc/taskapp/restic.env', settings);
    const startedAt = performance.now();
    await asUser(commands.replace('scripts/check-health.sh\n', ''));
    const seconds = Math.round((performance.now() - startedAt) / 1_000);
    console.log(`measured: from the copy to serving in ${seconds} s`);

    expect(await sql('SELECT * FROM tasks ORDER BY id')).toBe(before.rows);
    expect(token()).toBe(before.token);
    expect(await tasks('limit=5')).toContain('before the last backup');
  });

  /** Runs what a unit runs, one command after the other, with this directory instead of /var/tmp. */
  async function runUnit(unit: string, variables: NodeJS.ProcessEnv, temporary: string) {
    const text = readFileSync(join(root, 'scripts/systemd', `${unit}.service`), 'utf8');
    const found = [...text.replaceAll('\\\n', '').matchAll(/^ExecStart=(.*)$/gm)];
    expect(found).not.toEqual([]);
    for (const [, command = ''] of found) {
      const here = command
        .replaceAll('%%', '%')
        .replaceAll('$$', '$')
        .replaceAll('/var/tmp', temporary)
        .replaceAll('/opt/taskapp', directory);
      const options = { cwd: directory, env: { ...env, ...variables } };
      await run('bash', ['-efc', here], options); // -f keeps * as it is, as systemd does
    }
  }

  /** Runs commands without root's right to write into every file, which taskapp does not have. */
  async function asUser(commands: string) {
    const without = '-dac_override,-dac_read_search';
    const rights = ['--bounding-set', without, '--inh-caps', without];
    const bash = ['bash', '-euo', 'pipefail', '-c', commands];
    if (process.getuid?.() === 0) await inDirectory('setpriv', ...rights, ...bash);
    else await inDirectory('bash', ...bash.slice(1));
  }
});
