// A clone on Windows has every file as it is here, for containers and shells. Needs no engine.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { copyOfRepository, root } from '../lib/copy.ts';

const author = ['-c', 'user.name=test', '-c', 'user.email=test@example.com'];

/** A clone of the working tree with the setting that Git for Windows comes with. */
function cloneOnWindows(): string {
  const origin = copyOfRepository();
  const git = (...args: string[]) => execFileSync('git', args, { cwd: origin, stdio: 'pipe' });
  git('init', '--quiet');
  git('add', '--all');
  git(...author, 'commit', '--quiet', '--message', 'all');
  const clone = mkdtempSync(join(tmpdir(), 'taskapp-clone-'));
  onTestFinished(() => rmSync(clone, { recursive: true }));
  git('clone', '--quiet', '--config', 'core.autocrlf=true', origin, clone);
  return clone;
}

it('a clone with core.autocrlf=true has no CRLF in any file, and every file as it is here', () => {
  const clone = cloneOnWindows();
  const list = execFileSync('git', ['ls-files', '-z'], { cwd: clone }).toString().split('\0');
  const files = list.filter(Boolean);
  expect(files).toContain('db/init/04_roles.sh');
  const read = (directory: string, file: string) => readFileSync(join(directory, file));
  expect(files.filter((file) => !read(clone, file).equals(read(root, file)))).toEqual([]);
  const text = files.filter((file) => !file.endsWith('.png'));
  expect(text.filter((file) => read(clone, file).includes('\r\n'))).toEqual([]);
}, 60_000);
