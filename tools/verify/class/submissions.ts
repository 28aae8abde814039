// The submissions of a class: one a folder.
import { createHash } from 'node:crypto';
import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { translatedTexts } from '../texts.ts';

export interface Submission {
  /** The name of the folder, as it is. */
  folder: string;
  path: string;
  /** For names of files and projects: letters, digits and dashes, and no other submission's. */
  key: string;
}

/** The submissions in a directory, by name. Files, and folders whose name starts with a dot, are none. */
export function submissionsIn(directory: string): Submission[] {
  const entries = readdirSync(directory, { withFileTypes: true });
  const folders = entries.filter((entry) => entry.isDirectory() && !entry.name.startsWith('.'));
  const names = folders.map(({ name }) => name).toSorted();
  return names.map((folder) => ({ folder, path: join(directory, folder), key: keyOf(folder) }));
}

function keyOf(folder: string): string {
  const words = folder.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-');
  const hash = createHash('sha256').update(folder).digest('hex');
  return `${words.slice(0, 40).replaceAll(/^-|-$/g, '') || 'folder'}-${hash.slice(0, 6)}`;
}

/** Changes whenever a file of the copied submission does, or of verify, or how it is graded. */
export function fingerprintOf(copy: string, how: string): string {
  const hash = createHash('sha256');
  hash.update(JSON.stringify([how, translatedTexts()]));
  addTo(hash, join(import.meta.dirname, '..'), '', isTest);
  addTo(hash, copy, '');
  return hash.digest('hex');
}

const isTest = (path: string) => path === 'test' || path.endsWith('.test.ts');

function addTo(
  hash: ReturnType<typeof createHash>,
  root: string,
  path: string,
  isLeftOut: (path: string) => boolean = () => false,
): void {
  for (const name of readdirSync(join(root, path)).toSorted()) {
    const below = join(path, name);
    if (isLeftOut(below)) continue;
    const full = join(root, below);
    const stat = lstatSync(full);
    hash.update(`\0${below}\0${stat.mode}\0`);
    if (stat.isDirectory()) addTo(hash, root, below, isLeftOut);
    else hash.update(stat.isSymbolicLink() ? readlinkSync(full) : readFileSync(full));
  }
}
