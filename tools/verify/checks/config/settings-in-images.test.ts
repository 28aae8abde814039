// config.image-secrets finds .env itself, also where all its passwords are those of the example.
import { execFile } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, inject, it } from 'vitest';
import { Project } from '../../project.ts';
import { verify } from '../../run.ts';

// Longer than what is read at a time.
const example = `${'# A comment.\n'.repeat(10_000)}DB_PASS=change-me\n`;

describe.skipIf(inject('notRunBecause')).concurrent('.env in an image', () => {
  it.for([
    ['same', ''],
    ['changed', 'TZ=UTC\n'],
  ])('is found if it is the %s', async ([kind = '', more], { expect, onTestFinished }) => {
    const directory = mkdtempSync(join(tmpdir(), 'taskapp-verify-settings-'));
    const name = `taskapp-verify-${crypto.randomUUID().slice(0, 8)}`;
    const compose = (...args: string[]) =>
      promisify(execFile)('docker', ['compose', '-p', name, ...args], { cwd: directory });
    onTestFinished(async () => {
      await compose('down', '--rmi', 'local');
      rmSync(directory, { recursive: true });
    });
    cpSync(join(import.meta.dirname, 'settings-in-images', kind), directory, { recursive: true });
    writeFileSync(join(directory, '.env.example'), example);
    writeFileSync(join(directory, '.env'), `${example}${more}`);
    writeFileSync(join(directory, 'longer.txt'), `${example}${more}A=1\n`);
    await compose('build');

    const project = new Project({ directory, name });
    const { results } = await verify(project, { only: ['config.image-secrets'] });
    const { stdout } = await compose('config', '--services');
    const wrong = stdout
      .trim()
      .split('\n')
      .filter((service) => service.startsWith('wrong-'))
      .toSorted();
    const expected = wrong.map((service) => `the image of ${service} contains .env`);
    expect(results[0]?.seen.toSorted()).toEqual(expected);
  });

  it('is not looked for where there is none', async ({ expect }) => {
    const directory = join(import.meta.dirname, 'settings-in-images/same');
    const { results } = await verify(new Project({ directory }), {
      only: ['config.image-secrets'],
    });
    expect(results[0]).toMatchObject({
      outcome: 'skipped',
      reason: 'there is no secret, and no .env',
    });
  });
});
