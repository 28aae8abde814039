// Git, for a submission that was handed in without its repository.
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { run } from './command.ts';

/**
 * Makes a repository of a directory that has none, or none that works. The checks then look at what
 * `git add .` would take: all files but those that .gitignore names.
 */
export async function makeWorkTree(directory: string, env: NodeJS.ProcessEnv): Promise<void> {
  const git = (...args: string[]) => run('git', args, { cwd: directory, env, limitMs: 20_000 });
  const { ok } = await git('rev-parse', '--is-inside-work-tree');
  if (ok) return;
  rmSync(join(directory, '.git'), { recursive: true, force: true });
  await git('init', '--quiet', '--template=');
}
