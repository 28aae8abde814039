// The checks that stop and start the course-like stack.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { describe, expect, inject, it, onTestFinished } from 'vitest';
import { checks } from '../../checks/all.ts';
import { differences, idsOf } from '../expected.ts';
import { root } from '../root.ts';
import { BootedCourse } from './booted-course.ts';

describe.skipIf(inject('notRunBecause'))('the course-like stack with --destructive', () => {
  const course = BootedCourse.forTests();

  it('passes the destructive checks in less than three minutes, and has its data', async () => {
    const rows = await course.tasks();
    const report = await course.check({ destructive: true, only: ['health', 'operations'] });
    expect(differences(report, [])).toEqual([]);
    expect(idsOf(report, 'skipped')).toEqual(['operations.backup-script']); // it has none
    expect(report.ms).toBeLessThan(180_000);
    expect(await course.tasks()).toBe(rows);
    expect(differences(await course.check({ only: ['health'] }), [])).toEqual([]);
  }, 300_000);

  const destructive = true;
  const restore = async () => {
    course.writePristine();
    await course.restartApi(); // `up` gives up at once on an API that counts as unhealthy
    await course.up();
    await course.restartApi(); // it may be another container now
  };

  it.each<[what: string, from: string, to: string, failed: string[], notRun?: string[]]>([
    [
      'a health check without the database',
      "await query('SELECT 1 FROM tasks LIMIT 1');",
      '',
      ['health.database-down'],
      ['health.unhealthy'],
    ],
    [
      'an API that does not connect again',
      "await query('SELECT 1 FROM tasks LIMIT 1');",
      [
        'if (globalThis.broken) throw new Error();',
        "      await query('SELECT 1 FROM tasks LIMIT 1').catch((error) => {",
        '        globalThis.broken = true;',
        '        throw error;',
        '      });',
      ].join('\n'),
      ['health.recovers'],
    ],
  ])(
    '%s',
    async (_what, from, to, failed, notRun = []) => {
      course.edit('api/server.js', from, to);
      onTestFinished(restore);
      await course.restartApi();
      const rows = await course.tasks();
      const report = await course.check({ only: ['health'], destructive });
      expect(differences(report, failed, notRun)).toEqual([]);
      expect(await course.tasks()).toBe(rows);
      // Verify has restarted the API.
      expect(differences(await course.check({ only: ['health'] }), [])).toEqual([]);
    },
    300_000,
  );

  it('/nginx-health that asks the API', async () => {
    course.edit(
      'nginx/default.conf',
      'return 200 "healthy\\n";',
      'proxy_pass http://api:8080/healthz;',
    );
    onTestFinished(async () => {
      course.writePristine();
      await course.reloadNginx();
    });
    await course.reloadNginx();
    expect(
      differences(await course.check({ only: ['health'], destructive }), ['health.nginx-alone']),
    ).toEqual([]);
  });

  it('an API that keeps a lock on the table', async () => {
    course.edit(
      'api/server.js',
      'async function handle(',
      [
        'const client = await pool.connect();',
        "await client.query('BEGIN');",
        "await client.query('SELECT 1 FROM tasks');",
        '',
        'async function handle(',
      ].join('\n'),
    );
    onTestFinished(restore);
    await course.restartApi();
    const rows = await course.tasks();
    const report = await course.check({ only: ['operations.backup'], destructive });
    expect(differences(report, ['operations.backup'])).toEqual([]);
    expect(await course.tasks()).toBe(rows);
  });

  it('Ctrl-C while the database is stopped ends the run when it is started again', async () => {
    const ids = await course.containers();
    const child = spawn(process.execPath, [
      join(root, 'tools/verify/main.ts'),
      '--dir',
      course.directory,
      '-p',
      course.name,
      '--destructive',
      '--only',
      'health.database-down,health.recovers,operations',
    ]);
    onTestFinished(() => void child.kill('SIGKILL'));
    let output = '';
    child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
    await expect
      .poll(() => course.compose('ps', '--status', 'exited', '--services'), { timeout: 90_000 })
      .toContain('db');
    child.kill('SIGINT');
    const [code] = (await once(child, 'close')) as [number];
    expect(code).toBe(1);
    expect(output).toMatch(/operations\.down-up .* not run: interrupted/);
    expect(await course.containers()).toBe(ids);
    expect(differences(await course.check({ only: ['health'] }), [])).toEqual([]);
  }, 300_000);

  it('an API that exits without its database and stays down, as after a reboot', async () => {
    course.editService('api', '    restart: unless-stopped\n', '');
    course.edit('api/server.js', 'connectionTimeoutMillis: 2000', 'connectionTimeoutMillis: 500');
    course.edit('api/server.js', 'const missing =', "await query('SELECT 1');\nconst missing =");
    onTestFinished(restore);
    await course.up();
    const report = await course.check({
      only: ['compose.restart', 'operations.reboot'],
      destructive,
    });
    expect(differences(report, ['compose.restart', 'operations.reboot'])).toEqual([]);
    expect(differences(await course.check({ only: ['health'] }), [])).toEqual([]);
  }, 300_000);

  it('refuses to stop a stack that it would not start as it was', async () => {
    const ids = await course.containers();
    course.editService('api', '    init: true', '    init: true\n    mem_limit: 1g');
    const report = await course.check({ only: ['operations', 'health'], destructive });
    expect(
      differences(
        report,
        [],
        checks
          .filter(({ destructive: stops, id }) => stops && id !== 'operations.backup-script')
          .map(({ id }) => id),
      ),
    ).toEqual([]);
    expect(await course.containers()).toBe(ids);
  });

  // Last, as `restore` loses the data.
  it('data in an anonymous volume', async () => {
    course.editService('db', 'pgdata:/', '/');
    onTestFinished(restore);
    await course.up();
    await course.sql("INSERT INTO tasks (title) VALUES ('lost')");
    const report = await course.check({ only: ['volumes', 'operations.down-up'], destructive });
    expect(differences(report, ['volumes.data'], ['operations.down-up'])).toEqual([]);
    expect(await course.sql("SELECT title FROM tasks WHERE title = 'lost'")).toBe('lost\n');
  });
});
