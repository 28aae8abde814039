// Secrets in images and in environments: each service of the fixture says what it is.
import { execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { Project } from '../../project.ts';
import { verify } from '../../run.ts';

describe.skipIf(inject('notRunBecause'))('secrets in a running stack', () => {
  const directory = mkdtempSync(join(tmpdir(), 'taskapp-verify-secrets-'));
  const name = `taskapp-verify-${crypto.randomUUID().slice(0, 8)}`;
  const compose = (...args: string[]) =>
    execFileSync('docker', ['compose', '-p', name, ...args], { cwd: directory, stdio: 'pipe' });
  const seen = async (id: string) => {
    const { results } = await verify(new Project({ directory, name }), { only: [id] });
    expect(results[0]?.reason).toBe('');
    return results[0]?.seen.toSorted();
  };

  beforeAll(() => {
    cpSync(join(import.meta.dirname, 'image-secrets'), directory, { recursive: true });
    writeFileSync(join(directory, '.env'), 'DB_PASS=Horse7staple\nAPI_PASS=Battery8correct\n');
    writeFileSync(join(directory, 'db_pass'), 'Battery8correct\n');
    compose('build');
    compose('up', '-d', 'wrong-exports', 'wrong-both', 'right-reads', 'right-image-exports');
  });
  afterAll(() => {
    compose('down', '--volumes', '--timeout', '0', '--rmi', 'local');
    rmSync(directory, { recursive: true });
  });

  it('config.image-secrets finds them in every layer, and in ENV', async () => {
    expect(await seen('config.image-secrets')).toEqual([
      'the image of wrong-argument contains DB_PASS of .env',
      'the image of wrong-copies contains DB_PASS of .env',
      'the image of wrong-copies contains the secret db_pass',
      'the image of wrong-deletes contains DB_PASS of .env',
      'the image of wrong-deletes contains the secret db_pass',
    ]);
  });

  it('config.secret-files finds what was exported, and what was given twice', async () => {
    const place = 'has the secret db_pass in its environment';
    expect(await seen('config.secret-files')).toEqual([
      `${name}-wrong-both-1 ${place}`,
      `${name}-wrong-exports-1 ${place}`,
    ]);
  });
});
