// The course-like stack, booted, passes every check; what cannot be looked at is said.
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, inject, it, onTestFinished, vi } from 'vitest';
import { checks } from '../../checks/all.ts';
import { differences, idsOf } from '../expected.ts';
import { folder } from '../folder.ts';
import { root } from '../root.ts';
import { BootedCourse } from './booted-course.ts';

it('leaves no files behind where no test needs them, such as without an engine', () => {
  const temporary = folder();
  vi.stubEnv('TMPDIR', temporary);
  onTestFinished(() => void vi.unstubAllEnvs());
  const course = new BootedCourse();
  expect(readdirSync(temporary)).toEqual([]);
  expect(course.directory).toBe(join(temporary, readdirSync(temporary).join()));
});

describe.skipIf(inject('notRunBecause'))('the booted course-like stack', () => {
  const course = BootedCourse.forTests();

  it('passes every check in less than a minute, and is as it was', async () => {
    const [rows, ids] = [await course.tasks(), await course.containers()];
    const report = await course.check();
    expect(differences(report, [])).toEqual([]);
    const withoutVerdict = idsOf(report, 'skipped').filter(
      (id) => !checks.find((check) => check.id === id)?.destructive,
    );
    // It has no secret files, and is not production.
    expect(withoutVerdict).toEqual(['config.secret-files', 'database.published-passwords']);
    expect(report.ms).toBeLessThan(60_000);
    expect([await course.tasks(), await course.containers()]).toEqual([rows, ids]);
  });

  it.each(['web', 'db'])('has the tools of the official images in %s: BusyBox', async (service) => {
    const tools = 'awk cp date find grep head sed sh stat tail timeout wget';
    const script = `for tool in ${tools}; do readlink -f "$(which $tool)"; done`;
    const paths = await course.compose('exec', '-T', service, 'sh', '-c', script);
    expect(paths.split('\n').filter((path) => path && !path.endsWith('/busybox'))).toEqual([]);
  });

  it('is what npm run verify says of it, with exit code 0, to programs as well', async () => {
    const args = [
      join(root, 'tools/verify/main.ts'),
      '--dir',
      course.directory,
      '-p',
      course.name,
      '--only',
      'health,volumes',
    ];
    // Rejects unless the exit code is 0.
    const { stdout } = await promisify(execFile)(process.execPath, [...args, '--format', 'junit']);
    expect(stdout).toContain(
      '<testsuite name="volumes" tests="2" failures="0" errors="0" skipped="0"',
    );
    const failed = promisify(execFile)(process.execPath, [
      ...args,
      '--format',
      'json',
      '--url',
      'http://127.0.0.1:1',
    ]);
    await expect(failed).rejects.toMatchObject({
      code: 1,
      stdout: expect.stringContaining('ECONNREFUSED') as unknown,
    });
  });

  describe('what cannot be looked at', () => {
    it('a wrong address fails one check, and the others go on', async () => {
      const report = await course.check(
        { only: ['health', 'api', 'volumes'] },
        { url: 'http://127.0.0.1:1' },
      );
      const notRun = [
        'health.nginx',
        'health.healthz',
        ...checks.map(({ id }) => id).filter((id) => id.startsWith('api.')),
      ];
      expect(differences(report, ['health.answers'], notRun)).toEqual([]);
    });

    it('a port that takes connections and never answers costs seconds, not minutes', async () => {
      const silent = createServer().listen(0, '127.0.0.1');
      onTestFinished(() => void silent.close());
      await once(silent, 'listening');
      const { port } = silent.address() as AddressInfo;
      const report = await course.check(
        { only: ['health', 'api', 'database'] },
        { url: `http://127.0.0.1:${port}` },
      );
      expect(idsOf(report, 'failed')).toEqual(['health.answers']);
      // One limit of 6 s, and not one for each check that asks.
      const asking = /^(api\.|health\.(answers|nginx|healthz)$)/;
      const times = report.results.map(({ check, ms }) => (asking.test(check.id) ? ms : 0));
      expect(times.reduce((sum, ms) => sum + ms)).toBeLessThan(15_000);
    });

    it('a stack that is not up', async () => {
      await course.compose('stop', '--timeout', '2');
      onTestFinished(() => course.up().then(() => undefined));
      const report = await course.check();
      expect(idsOf(report, 'failed')).toEqual(['health.running']);
      expect(
        report.results.find(({ check }) => check.id === 'health.running')?.seen.join(),
      ).toMatch(/web is exited.*api is exited.*db is exited/);
      const blocked = report.results.find(({ check }) => check.id === 'api.list');
      expect(blocked?.reason).toBe('blocked by health.running');
      expect(idsOf(report, 'passed')).toContain('compose.restart');
    });

    it('no Docker', async () => {
      const report = await course.check({}, { env: { PATH: '/nonexistent' } });
      expect(idsOf(report, 'failed')).toEqual(['compose.model', 'prod.model']);
      expect(report.results.find(({ check }) => check.id === 'compose.model')?.seen).toEqual([
        'the command docker is not installed',
      ]);
      const blocked = report.results.find(({ check }) => check.id === 'health.running');
      expect(blocked?.reason).toBe('blocked by compose.model');
      expect(idsOf(report, 'passed')).toContain('config.env-mode');
    });
  });
});
