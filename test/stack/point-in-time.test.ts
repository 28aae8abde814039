// db/compose.pitr.yml on production: Barman's archive, and scripts/restore-to-time.sh.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { root } from '../lib/copy.ts';
import { Script } from '../lib/live.ts';
import { Production } from '../lib/production.ts';
import { docker, psql } from '../lib/stack.ts';

const patient = { timeout: 120_000, interval: 500 };

describe.skipIf(inject('notRunBecause'))('db/compose.pitr.yml', { timeout: 300_000 }, () => {
  const directory = mkdtempSync(join(tmpdir(), 'taskapp-recovered-'));
  const dumpAt = (name: string) => join(directory, `${name}.dump`);
  let stack: Production;
  beforeAll(async () => {
    // More WAL than a base backup needs, and less than a test can write.
    const env = { COMPOSE_PROFILES: 'pitr', WAL_MAX_BEHIND: '96MB' };
    stack = new Production({ files: ['db/compose.pitr.yml'], env });
    await stack.compose('build', '--quiet', 'barman');
    await stack.compose('up', '-d', '--wait', 'db', 'barman');
  }, 400_000);
  afterAll(async () => {
    await stack.remove();
    await docker('image', 'rm', '--force', `${stack.project}-barman`);
    rmSync(directory, { recursive: true });
  });

  const script = (name: string, ...args: string[]) => {
    const files = stack.files.join(':');
    const env = { ...stack.env, COMPOSE_FILE: files, COMPOSE_PROJECT_NAME: stack.project };
    return new Script(root, env, name, ...args).ended;
  };
  const good = async (name: string, ...args: string[]) => {
    const { code, output } = await script(name, ...args);
    expect([code, output]).toEqual([0, output]);
    return output;
  };
  /** Recovers into a dump, and puts that in the place of the database. */
  async function goBack(name: string, ...target: string[]) {
    await good('restore-to-time.sh', ...target, '--output', dumpAt(name));
    await good('restore.sh', dumpAt(name), '--yes', '--drop-kept');
  }
  const sql = async (statement: string) => (await stack.sql(statement)).trim();
  const insert = (title: string) => sql(`INSERT INTO tasks (title) VALUES ('${title}')`);
  const added = () =>
    sql("SELECT coalesce(string_agg(title, ' ' ORDER BY id), '') FROM tasks WHERE id > 5");
  const now = () =>
    sql(`SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`);
  const systemIdentifier = () => sql('SELECT system_identifier FROM pg_control_system()');
  const barman = async (...args: string[]) =>
    (await stack.compose('exec', '-T', 'barman', ...args)).trim();
  const baseBackups = async () =>
    (await barman('barman', 'list-backups', '--minimal', 'main')).split('\n').filter(Boolean);
  const unfinished = /EMPTY|STARTED|FAILED|WAITING_FOR_WALS/;
  const finished = async () =>
    (await barman('barman', 'list-backups', 'main'))
      .split('\n')
      .filter((line) => line.startsWith('main ') && !unfinished.test(line));
  const hasBaseBackups = async (count: number) => {
    await expect.poll(finished, patient).toHaveLength(count);
    await expect
      .poll(() => barman('barman', 'check', 'main').catch(String), patient)
      .toMatch(/OK$/);
  };
  const log = async () => (await stack.logStreams('barman')).stderr;

  it('is hardened: no network, no root, a read-only root file system', async () => {
    const { HostConfig, Config, NetworkSettings } = await stack.inspect('barman');
    expect([HostConfig.ReadonlyRootfs, HostConfig.CapDrop, Config.User]).toEqual([
      true,
      ['ALL'],
      'barman',
    ]);
    expect(Object.keys(NetworkSettings.Networks)).toEqual(['none']);
  });

  it('makes a base backup, and says when that was', async () => {
    await hasBaseBackups(1);
    const metric = () => barman('cat', '/metrics/base-backup.prom');
    await expect.poll(metric, patient).toMatch(/_timestamp_seconds \d+$/);
    const seconds = Number((await metric()).split(' ').at(-1));
    expect(Math.abs(Date.now() / 1_000 - seconds)).toBeLessThan(600);
  });

  it('recovers to a time, to a name and to the latest', async () => {
    await insert('one');
    const afterOne = await now();
    await insert('two');
    await sql("SELECT pg_create_restore_point('after two')");
    await insert('three');
    await sql('DELETE FROM tasks WHERE id < 4');

    await goBack('time', afterOne);
    expect(await added()).toBe('one');
    await goBack('name', '--name', 'after two');
    expect(await added()).toBe('one two');
    await insert('four');
    await goBack('latest', 'latest');
    expect(await added()).toBe('one two four');
    expect(await sql('SELECT count(*) FROM tasks WHERE id < 4')).toBe('3');
  });

  it('does not take a missing WAL file for the end of the archive', async () => {
    const files: string[] = [];
    for (const title of ['in a file', 'in the next']) {
      await insert(title);
      files.push(await sql('SELECT pg_walfile_name(pg_current_wal_insert_lsn())'));
      await sql('SELECT pg_switch_wal()');
    }
    const [missing, later] = files;
    const inArchive = (command: string) =>
      barman('sh', '-c', `cd /var/lib/barman/*/main/wals/* && ${command}`);
    await expect.poll(() => inArchive('ls'), patient).toContain(later);
    await inArchive(`mv ${missing} ../../missing`);
    const { code, output } = await script('restore-to-time.sh', 'latest', '--output', dumpAt('no'));
    await inArchive(`mv ../../missing ${missing}`);
    expect([code, output]).toEqual([
      1,
      expect.stringContaining(`lacks the WAL file ${missing}, or cannot read it`),
    ]);
    expect(existsSync(dumpAt('no'))).toBe(false);
    await sql("DELETE FROM tasks WHERE title LIKE 'in %'");
  });

  it('says what to do about a time that it cannot recover', async () => {
    const refused = async (time: string) => {
      const answer = await script('restore-to-time.sh', time, '--output', dumpAt('never'));
      expect(answer.code).toBe(1);
      return answer.output;
    };
    const early = await refused('2001-01-01 00:00:00');
    expect(early).toContain('Cannot find any candidate backup');
    expect(early).toContain(`system ${await systemIdentifier()}`);
    expect(await refused('2099-01-01T00:00:00Z')).toMatch(
      /does not reach the time .*; use 'latest' to recover all of it: last completed transaction/,
    );
    expect(existsSync(dumpAt('never'))).toBe(false);
    expect(await barman('ls', '-A', '/var/lib/barman')).not.toMatch(/^\.restore$/m);
  });

  it.each([
    [[]],
    [['yesterday']],
    [['latest', '2026-11-23T18:05:00Z']],
    [['latest', '--output']],
    [['latest', '--force']],
  ])('answers %j with usage and 2, --help with 0', async (args) => {
    const { code, output } = await script('restore-to-time.sh', ...args);
    expect([code, output]).toEqual([2, expect.stringContaining('see --help')]);
    expect(await good('restore-to-time.sh', '--help')).toContain('Usage: scripts/restore-to-time');
  });

  it('removes a base backup that is damaged, and those that were interrupted', async () => {
    // As soon as pg_basebackup has ended, a file of it changes.
    const damage = String.raw`
      cd /var/lib/barman/*/main/base
      old=$(echo *)
      rm ../../base-backup-done
      for i in $(seq 6000); do
        for new in *; do
          if [ "$new" != "$old" ] && [ -s "$new/data/backup_manifest" ]; then
            printf x >>"$new/data/PG_VERSION"
            exit
          fi
        done
        sleep 0.01
      done
      exit 1`;
    await barman('sh', '-c', damage);
    await expect.poll(log, patient).toContain('the next try is in 15 minutes');
    expect(await log()).toContain('the base backup is damaged or incomplete, so it was removed');
    expect(await baseBackups()).toHaveLength(1);

    // A kill interrupts the next one.
    const lines =
      "(SELECT string_agg(md5(random()::text), '') FROM generate_series(1, 200 + n * 0))";
    await sql(`CREATE TABLE large AS SELECT ${lines} FROM generate_series(1, 20000) AS n`);
    await stack.compose('restart', 'barman');
    await barman(
      'sh',
      '-c',
      'until grep -q STARTED /var/lib/barman/*/main/meta/*-backup.info; do sleep 0.02; done',
    );
    await stack.compose('kill', 'barman');
    await stack.compose('up', '-d', 'barman');
    await hasBaseBackups(2);
    expect(await barman('barman', 'list-backups', 'main')).not.toMatch(unfinished);
    await sql('DROP TABLE large');
  });

  it('begins anew, with a base backup, after the server has dropped WAL', async () => {
    await stack.compose('stop', 'barman');
    await insert('before the gap');
    const isLost = async () => {
      await sql('SELECT pg_switch_wal() FROM generate_series(1, 1)');
      await sql("INSERT INTO tasks (title) VALUES ('in the gap')");
      await stack.sql('CHECKPOINT');
      return sql('SELECT wal_status FROM pg_replication_slots');
    };
    await expect.poll(isLost, { ...patient, interval: 0 }).toBe('lost');
    await stack.compose('up', '-d', '--wait', 'barman');
    await hasBaseBackups(3);
    await sql("DELETE FROM tasks WHERE title = 'in the gap'");
    await insert('after it');
    await goBack('after-gap', 'latest');
    expect(await added()).toBe('one two four before the gap after it');
  });

  it('loses less than a second when server and disk die at 50 writes per second', async () => {
    const system = await systemIdentifier();
    // One connection, an INSERT every 20 ms. The map has what the server confirmed, and when.
    const confirmed = new Map<number, number>();
    const files = stack.files.flatMap((file) => ['-f', file]);
    const args = ['compose', '-p', stack.project, ...files, 'exec', '-T', 'db', ...psql()];
    const writer = spawn('docker', args, { cwd: root, env: { ...process.env, ...stack.env } });
    const closed = once(writer, 'close');
    writer.stdin.on('error', () => {}); // it ends with the server
    writer.stdout.on('data', (chunk: Buffer) => {
      for (const id of chunk.toString().trim().split('\n')) confirmed.set(Number(id), Date.now());
    });
    const timer = setInterval(
      () => writer.stdin.write("INSERT INTO tasks (title) VALUES ('load') RETURNING id;\n"),
      20,
    );
    await expect.poll(() => confirmed.size, patient).toBeGreaterThan(100);
    await stack.compose('kill', '--signal', 'SIGKILL', 'db');
    clearInterval(timer);
    await stack.compose('rm', '--force', '--stop', 'db');
    await docker('volume', 'rm', `${stack.project}_pgdata`);
    await closed;

    // People start a new, empty database first. It gets an archive of its own.
    await stack.compose('up', '-d', '--wait', 'db', 'barman');
    const newSystem = await systemIdentifier();
    await insert('into the new one');
    await expect
      .poll(() => good('restore-to-time.sh', '--list'), patient)
      .toMatch(new RegExp(`system ${newSystem}\nmain \\d`));
    const unnamed = await script('restore-to-time.sh', 'latest', '--output', dumpAt('unnamed'));
    expect(unnamed.output).toContain('name the one to recover: --system SYSTEM');
    await goBack('lost', 'latest', '--system', system);

    expect(await sql("SELECT count(*) FROM tasks WHERE title = 'into the new one'")).toBe('0');
    const last = Number(await sql('SELECT max(id) FROM tasks'));
    const newest = Math.max(...confirmed.keys());
    const lost = (confirmed.get(newest) ?? 0) - (confirmed.get(last) ?? confirmed.get(newest) ?? 0);
    console.log(
      `lost: ${Math.max(0, newest - last)} of ${confirmed.size} confirmed writes, ${lost} ms`,
    );
    expect(last).toBeGreaterThan(Math.min(...confirmed.keys()));
    expect(lost).toBeLessThan(1_000);
  });
});
