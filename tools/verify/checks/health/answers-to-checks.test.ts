// What health.can-fail makes of a check that is answered with an error.
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { Project } from '../../project.ts';
import { verify } from '../../run.ts';

const directory = join(import.meta.dirname, 'answers-to-checks');
const only = ['health.can-fail'];

describe.skipIf(inject('notRunBecause'))('a health check that is answered with 503', () => {
  const name = `taskapp-verify-${crypto.randomUUID().slice(0, 8)}`;
  const compose = (...args: string[]) =>
    execFileSync('docker', ['compose', '-p', name, ...args], { cwd: directory, stdio: 'pipe' });
  beforeAll(() => {
    compose('up', '-d');
    compose('up', '-d', '--wait', 'careless-script', 'right-script');
  });
  afterAll(() => compose('down', '--timeout', '0'));

  it('must fail if it asks by HTTP, and only then', async () => {
    const project = new Project({ directory, name });
    const { results } = await verify(project, { only });
    expect(results[0]?.reason).toBe('');
    expect(results[0]?.seen).toEqual([
      expect.stringMatching(/^wrong-slow: the check succeeds where nothing runs/),
      expect.stringMatching(/^careless-script: the check succeeds where every answer is 503/),
    ]);
    const left = ['ps', '--all', '--quiet', '--filter', `name=${project.mark}`];
    expect(execFileSync('docker', left).toString()).toBe('');
  });

  it('must fail where all images are Alpine, too', async () => {
    const project = new Project({ directory, files: ['alpine.yml'] });
    const { results } = await verify(project, { only });
    expect(results[0]?.reason).toBe('');
    expect(results[0]?.seen).toEqual([
      expect.stringMatching(/^careless-request: .* answer is 503/),
    ]);
  });
});
