// The files below a directory, and the init files that PostgreSQL's image runs.
import { type Dirent, readdirSync, readFileSync, statSync } from 'node:fs';
import { basename, join, relative } from 'node:path';
import { findService } from './compose.ts';
import type { Project } from './project.ts';
import { hasServices } from './project-files.ts';

/** Where PostgreSQL's image looks for init files. */
export const initDirectory = '/docker-entrypoint-initdb.d';

/** True for the directory itself, and for every path in it. */
export const isAtOrBelow = (path: string, directory: string): boolean =>
  path === directory || path.startsWith(`${directory}/`);

/** Directories of tools, and of service data. */
const skipped = new Set(['.git', '.data', '.venv', 'venv', 'vendor', 'node_modules']);
/** Nobody writes larger files by hand. */
export const maxBytes = 1024 * 1024;

/** True for a directory of a tool, or of service data. */
export const isSkipped = (path: string) => skipped.has(basename(path));

/** The full path of every file below a directory. Leaves out what cannot be read. */
export function filesBelow(directory: string): string[] {
  return entriesOf(directory).flatMap((entry) => {
    const path = join(directory, entry.name);
    if (isSkipped(path)) return [];
    if (entry.isDirectory()) return filesBelow(path);
    return entry.isFile() ? [path] : [];
  });
}

/** The file itself, or every file below a directory. */
export const filesAt = (path: string): string[] =>
  statSync(path, { throwIfNoEntry: false })?.isDirectory() ? filesBelow(path) : [path];

function entriesOf(directory: string): Dirent[] {
  try {
    return readdirSync(directory, { withFileTypes: true });
  } catch {
    return [];
  }
}

/** The text of a file; empty if it is no file, cannot be read, or is over 1 MiB. */
export function textOf(path: string): string {
  try {
    const stat = statSync(path);
    return stat.isFile() && stat.size <= maxBytes ? readFileSync(path, 'utf8') : '';
  } catch {
    return '';
  }
}

/** The Compose files, by what is in them: wherever they lie, and whatever their name is. */
export function composeFiles({ directory }: Project): Map<string, string> {
  const yaml = filesBelow(directory).filter((path) => /\.ya?ml$/.test(path));
  const texts = yaml.map((path): [string, string] => [relative(directory, path), textOf(path)]);
  return new Map(texts.filter(([path, text]) => hasServices(path, text)));
}

/** The full paths of what db runs on an empty volume; none if Compose cannot read the files. */
export async function initFiles(project: Project): Promise<string[]> {
  const { volumes = [] } = await findService(project, 'db').catch(() => ({ volumes: [] }));
  const mounted = volumes.filter(
    ({ type, target }) => type === 'bind' && isAtOrBelow(target, initDirectory),
  );
  const sources = mounted.flatMap(({ source }) => source ?? []);
  return sources.flatMap(filesAt);
}
