// Settings files that must stay where they are, whatever their values: an image that has one will
// have the real one, too.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Wanted } from './image-files.ts';
import type { Project } from './project.ts';
import { envExampleNames, envFileNames } from './project-files.ts';

export interface SettingsFile extends Wanted {
  place: string;
  isFile: true;
}

/**
 * The settings files at hand. One is known by its text, under any name; one that is the same as an
 * example, only by its name as well.
 */
export function settingsFiles(project: Project): SettingsFile[] {
  const read = (name: string) => readFileSync(join(project.directory, name), 'latin1');
  const examples = new Set(envExampleNames(project).map(read));
  return envFileNames(project).flatMap((name): SettingsFile[] => {
    const value = read(name);
    if (value.trim() === '') return [];
    const isNamed = (path: string) => !examples.has(value) || path.split('/').at(-1) === name;
    const isIn = (text: string) => pathsOf(value, text).some(isNamed);
    return [{ place: name, value, isIn, isFile: true }];
  });
}

/** The paths of the files with this content in a tar archive, each in the header before it. */
function pathsOf(content: string, archive: string): string[] {
  const paths: string[] = [];
  for (let at = archive.indexOf(content); at >= 0; at = archive.indexOf(content, at + 1)) {
    const header = archive.slice(Math.max(0, at - 512), at);
    const [path = ''] = header.slice(0, 100).split('\0');
    const size = Number.parseInt(header.slice(124, 136), 8);
    if (size === content.length) paths.push(path);
  }
  return paths;
}
