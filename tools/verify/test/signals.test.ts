// verify is told to end in each phase in which it has changed a stack: the stack is as it was.
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, inject, it, onTestFinished, vi } from 'vitest';
import { Course } from './course.ts';
import { root } from './root.ts';

const signals = ['SIGHUP', 'SIGTERM', 'SIGINT'] as const;

describe.skipIf(inject('notRunBecause'))('verify that is told to end', () => {
  const course = new Course();
  const ofCourse = () => `label=com.docker.compose.project.working_dir=${course.directory}`;
  const tasks = () => course.tasks();

  beforeAll(async () => {
    const dump = 'docker compose exec -T db pg_dump -U taskapp taskdb > backups/tasks.sql';
    course.write('backup.sh', `#!/bin/sh\nmkdir -p backups\n${dump}\n`);
    await course.compose('build');
    await course.compose('up', '-d', '--wait');
  });
  afterAll(() => course.remove());

  /** Every container that was started from the directory, with its health, and every database. */
  const state = async () => {
    const filter = ['ps', '--all', '--filter', ofCourse(), '--format', '{{.Names}} {{.Status}}'];
    const { stdout } = await promisify(execFile)('docker', filter);
    const containers = stdout.split('\n').map((line) => line.replace(/ (\w+) .*\(/, ' $1 ('));
    const databases = await course.sql('SELECT datname FROM pg_database ORDER BY 1');
    return [...containers.toSorted(), databases, await tasks()];
  };

  /** Resolves once the engine reports the event for a container of the directory. */
  const happens = async (event: RegExp, since: number) => {
    const format = '{{.Action}} {{.Actor.Attributes.name}}';
    const args = ['events', '--since', String(since / 1000), '--filter', ofCourse()];
    const child = spawn('docker', [...args, '--format', format]);
    onTestFinished(() => void child.kill());
    for await (const line of createInterface(child.stdout)) if (event.test(line)) return;
  };

  /** Starts verify, and sends it every signal at once when it is in the phase. */
  const endIn = async (phase: () => Promise<void>, only: string) => {
    const args = [join(root, 'tools/verify/main.ts'), '--dir', course.directory, '-p', course.name];
    const child = spawn(process.execPath, [...args, '--destructive', '--only', only]);
    onTestFinished(() => void child.kill('SIGKILL'));
    let output = '';
    child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
    const end = once(child, 'close');
    const isOver = end.then(() => Promise.reject(new Error(`it is over: ${output}`)));
    isOver.catch(() => undefined); // it may end as it should
    await Promise.race([phase(), isOver]);
    for (const signal of signals) child.kill(signal);
    const [, signal] = (await end) as [number | null, string | null];
    expect(signal).toBe(null); // it has ended by itself
    expect(output).toContain('verify: stopping, once the stack is as it was');
  };

  it.each([
    ['the database is stopped', 'health.database-down', /^die .*-db-1$/],
    ['a dump is restored in place', 'operations.backup', /^exec_create: .*pg_restore .*--clean/],
    ['the backup script dumps', 'operations.backup-script', /^exec_create: pg_dump /],
    ['all containers are removed', 'operations.down-up', /^destroy .*-web-1$/],
    ['all containers are stopped', 'operations.reboot', /^die .*-db-1$/],
    ['health checks are tried', 'health.can-fail', /^start .*-trial-/],
  ])('while %s leaves the stack as it was', async (_what, only, event) => {
    const before = await state();
    const from = Date.now();
    await endIn(() => happens(event, from), only);
    const isAsBefore = async () => expect(await state()).toEqual(before);
    await vi.waitFor(isAsBefore, { timeout: 20_000, interval: 500 });
  });

  it('while it deletes its tasks leaves none of them', async () => {
    await course.sql(`
      CREATE FUNCTION take_time() RETURNS trigger LANGUAGE plpgsql
        AS 'BEGIN PERFORM pg_sleep(8); RETURN NULL; END';
      CREATE TRIGGER take_time BEFORE DELETE ON tasks EXECUTE FUNCTION take_time()`);
    onTestFinished(async () => {
      await course.sql('DROP FUNCTION take_time CASCADE');
    });
    const before = await state();
    const deletes = `
      SELECT count(*) FROM pg_stat_activity
      WHERE application_name = 'psql' AND query LIKE '%DELETE%' AND pid <> pg_backend_pid()`;
    const isDeleting = async () => expect((await course.sql(deletes)).trim()).toBe('1');
    await endIn(() => vi.waitFor(isDeleting, { timeout: 30_000, interval: 100 }), 'api.create');
    expect(await state()).toEqual(before);
  });
});
