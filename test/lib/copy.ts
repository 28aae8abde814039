import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';

export const root = join(import.meta.dirname, '../..');

/**
 * A copy of the files that git would commit, for tests that change them; in a new directory unless
 * given. The caller removes it.
 */
export function copyForAll(directory = mkdtempSync(join(tmpdir(), 'taskapp-copy-'))): string {
  const list = execFileSync(
    'git',
    ['ls-files', '-z', '--cached', '--others', '--exclude-standard'],
    { cwd: root },
  );
  for (const file of list
    .toString()
    .split('\0')
    .filter((path) => path && existsSync(join(root, path)))) {
    cpSync(join(root, file), join(directory, file), { recursive: true, force: true });
  }
  return directory;
}

/** The same, removed after the test. */
export function copyOfRepository(): string {
  const directory = copyForAll();
  onTestFinished(() => rmSync(directory, { recursive: true }));
  return directory;
}
