// The texts that git has, or would add: the files at hand, and every version of its history.
import { realpathSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { NotApplicable, NotPossible } from './errors.ts';
import type { Project } from './project.ts';
import { say } from './texts.ts';
import { filesAt, maxBytes, textOf } from './tree.ts';

export interface GitText {
  path: string;
  text: string;
  /** True for a version that a commit has, but not the file at hand. */
  isOld: boolean;
}

const most = 200 * 1024 * 1024;

/** The paths that git has, or would have after `git add .`. Throws NotApplicable without git. */
export async function pathsInGit(project: Project, ...paths: string[]): Promise<string[]> {
  const tracked = ['--cached', '--others', '--exclude-standard'];
  const listed = await project.git('ls-files', '-z', ...tracked, '--', ...paths);
  if (!listed) throw new NotApplicable(say('shared.no-work-tree'));
  return listed.stdout.toString().split('\0').filter(Boolean);
}

/**
 * True if a file, or a directory with files, belongs to the project: git has it, or would have it.
 * Not a time zone of the host, nor a directory that is only there for logs.
 */
export async function hasFilesOfProject(project: Project, path: string): Promise<boolean> {
  const within = relative(realpathSync(project.directory), path); // Compose says where it really is
  if (within.startsWith('..')) return false;
  const all = await pathsInGit(project, within || '.').catch(() => filesAt(path));
  return all.some((file) => textOf(resolve(project.directory, file)) !== '');
}

/** All of these texts. Throws NotApplicable outside a work tree. */
export const gitTexts = (project: Project): Promise<GitText[]> =>
  project.once('git texts', () => findTexts(project));

async function findTexts(project: Project): Promise<GitText[]> {
  const paths = await pathsInGit(project, '.');
  const current = paths.map((path) => ({
    path,
    text: textOf(join(project.directory, path)),
    isOld: false,
  }));
  return [...current, ...(await oldTexts(project))];
}

/** Each version of a file that some commit has, once, with a path that it had. */
async function oldTexts(project: Project): Promise<GitText[]> {
  const listed = await project.git('rev-list', '--all', '--objects', '--', '.');
  const shown = await project.git('rev-parse', '--show-prefix');
  const prefix = shown?.stdout.toString().trim() ?? '';
  const lines = listed?.stdout.toString().split('\n') ?? [];
  const withPath = lines.filter((line) => line.includes(` ${prefix}`));
  const pathOf = new Map(
    withPath.map((line) => [
      line.slice(0, line.indexOf(' ')),
      line.slice(line.indexOf(' ') + 1 + prefix.length),
    ]),
  );
  const sizes = await project.gitWith([...pathOf.keys()].join('\n'), 'cat-file', '--batch-check');
  const blobs = sizes.stdout.toString().split('\n').flatMap(smallBlob);
  const total = blobs.reduce((sum, { size }) => sum + size, 0);
  if (total > most) throw new NotPossible(say('shared.history-too-large'));

  const ids = blobs.map(({ id }) => id).join('\n');
  const { stdout } = await project.gitWith(ids, 'cat-file', '--batch');
  let at = 0;
  return blobs.map(({ id, size }) => {
    const start = stdout.indexOf('\n', at) + 1;
    at = start + size + 1;
    const text = stdout.toString('utf8', start, start + size);
    return { path: pathOf.get(id) ?? '', text, isOld: true };
  });
}

/** The blob in a line such as `ID blob 123`, unless it is too large. */
function smallBlob(line: string): { id: string; size: number }[] {
  const [id = '', type, bytes] = line.split(' ');
  const size = Number(bytes);
  return type === 'blob' && size <= maxBytes ? [{ id, size }] : [];
}
