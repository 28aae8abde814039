// How long verify waits for the health checks of a stack: for as long as they may take.
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, inject, it } from 'vitest';
import { patienceWith } from '../../health-checks.ts';
import { upLimitMs } from '../../lifecycle.ts';
import type { Container, ImageHealthCheck } from '../../model.ts';
import { Project } from '../../project.ts';
import { root } from '../../test/root.ts';
import { verify } from '../../run.ts';

const directory = join(import.meta.dirname, 'waiting');
const only = ['health.healthy'];
const seconds = 1e9;

const patienceOf = (Healthcheck: ImageHealthCheck | null) =>
  patienceWith({ Config: { Healthcheck } } as Container);
const labs = {
  Interval: 10 * seconds,
  Timeout: 5 * seconds,
  Retries: 3,
  StartPeriod: 10 * seconds,
};

describe('the time that a health check may take', () => {
  it('is its start, and all of its tries', ({ expect }) => {
    expect(patienceOf(labs)).toBe(60_000);
    expect(patienceOf({ ...labs, Interval: 90 * seconds })).toBe(300_000);
  });

  it('has the defaults of Docker, and is none without a check', ({ expect }) => {
    expect(patienceOf({ Interval: 0, Retries: 0 })).toBe(3 * (30_000 + 30_000));
    expect(patienceOf(null)).toBe(0);
  });

  it('is five minutes at most: an interval may be a day', ({ expect }) => {
    expect(patienceOf({ Interval: 86_400 * seconds })).toBe(300_000);
  });

  it('is given to each of three tiers by `up`', ({ expect }) => {
    // With the times of the labs, a slow stack is up after 180 s, and not killed before.
    expect(upLimitMs(patienceOf(labs))).toBeGreaterThan(3 * patienceOf(labs));
    expect(upLimitMs(0)).toBe(90_000);
  });
});

describe.skipIf(inject('notRunBecause')).concurrent('a stack that is starting', () => {
  /** Starts it; web is healthy after so many seconds. */
  const started = async (
    after: number,
    startPeriod: string,
    onTestFinished: (end: () => Promise<void>) => void,
  ) => {
    const name = `taskapp-waiting-${crypto.randomUUID().slice(0, 8)}`;
    const env = { ...process.env, AFTER: String(after), START_PERIOD: startPeriod };
    const compose = (...args: string[]) =>
      promisify(execFile)('docker', ['compose', '-p', name, ...args], { cwd: directory, env });
    onTestFinished(async () => {
      await compose('down', '--timeout', '1');
    });
    await compose('up', '-d');
    return { name, env };
  };

  it('is waited for, longer than for other checks, and shows for how long', async (context) => {
    const { expect, onTestFinished } = context;
    const { name, env } = await started(27, '60s', onTestFinished);
    const command = [process.execPath, join(root, 'tools/verify/main.ts')];
    const args = ['--dir', directory, '-p', name, '--only', only.join()];
    // On a terminal: only there is the time shown.
    const line = [...command, ...args].map((word) => `'${word}'`).join(' ');
    const terminal = ['--quiet', '--return', '--command', line, '/dev/null'];
    const { stdout } = await promisify(execFile)('script', terminal, { env });
    expect(stdout).toContain('health.healthy: All containers are healthy … 20 s');
  });

  it('is not waited for longer than its own times', async ({ expect, onTestFinished }) => {
    const { name, env } = await started(300, '1s', onTestFinished);
    const { results, ms } = await verify(new Project({ directory, name, env }), { only });
    expect(results[0]?.seen).toEqual([expect.stringMatching(/-web-1 is unhealthy/)]);
    expect(ms).toBeLessThan(30_000);
  });
});
