// The files of a project, and those of them that PostgreSQL's image runs.
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Project } from './project.ts';

export const initDirectory = '/docker-entrypoint-initdb.d';

export const isAtOrBelow = (path: string, directory: string) =>
  path === directory || path.startsWith(`${directory}/`);

/** What tools keep in a project, and what may be data of a service. */
const notOurs = new Set(['.git', '.data', '.venv', 'venv', 'vendor', 'node_modules']);
const maxBytes = 1024 * 1024; // of a file that a person writes

/** Every file in a directory and below it, as full paths. What cannot be read is left out. */
export function filesBelow(directory: string): string[] {
  const entries = entriesOf(directory).filter(({ name }) => !notOurs.has(name));
  return entries.flatMap((entry) => {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) return filesBelow(path);
    return entry.isFile() ? [path] : [];
  });
}

function entriesOf(directory: string) {
  try {
    return readdirSync(directory, { withFileTypes: true });
  } catch {
    return [];
  }
}

/** The text of a file; nothing where it cannot be read, or is larger than what people write. */
export function textOf(path: string): string {
  try {
    return statSync(path).size > maxBytes ? '' : readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

/** What db runs on an empty volume: files of the host, as full paths; none without a model. */
export async function initFiles(project: Project): Promise<string[]> {
  const { volumes = [] } = await project.service('db').catch(() => ({ volumes: [] }));
  const sources = volumes
    .filter(({ type, target }) => type === 'bind' && isAtOrBelow(target, initDirectory))
    .flatMap(({ source }) => source ?? []);
  return sources.flatMap((source) => {
    const found = statSync(source, { throwIfNoEntry: false });
    return found?.isDirectory() ? filesBelow(source) : [source];
  });
}
