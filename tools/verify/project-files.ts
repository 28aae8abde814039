// The files of a project that the checks know by name.
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Project } from './project.ts';

/** The names that a Compose file may have. */
const composeNames = (suffix: string) => [
  `compose${suffix}.yml`,
  `compose${suffix}.yaml`,
  `docker-compose${suffix}.yml`,
  `docker-compose${suffix}.yaml`,
];
const baseNames = composeNames('');
const overrideNames = composeNames('.override');
const productionNames = [...composeNames('.prod'), ...composeNames('.production')];

/** The sorted names of the files in the project's directory. */
function fileNames({ directory }: Project): string[] {
  const isFile = (name: string) =>
    statSync(join(directory, name), { throwIfNoEntry: false })?.isFile() ?? false;
  return readdirSync(directory).filter(isFile).toSorted();
}

/** True for a file or a directory in the project's directory. */
export function fileExists({ directory }: Project, path: string): boolean {
  return statSync(join(directory, path), { throwIfNoEntry: false }) !== undefined;
}

/** The text of a file. Throws if it cannot be read. */
export function readText({ directory }: Project, path: string): string {
  return readFileSync(join(directory, path), 'utf8');
}

const firstOf = (project: Project, names: string[]) =>
  names.find((name) => fileExists(project, name));

/** The first Compose file of each kind that exists, by name. */
export const baseFile = (project: Project) => firstOf(project, baseNames);
export const overrideFile = (project: Project) => firstOf(project, overrideNames);
export const productionFile = (project: Project) => firstOf(project, productionNames);

/** True for the usual names of Compose files. */
export const isComposeFile = (name: string) => /^(docker-)?compose.*\.ya?ml$/.test(name);

/** True for a YAML file that has services, as a Compose file of any name has them. */
export const hasServices = (path: string, text: string) =>
  /\.ya?ml$/.test(path) && /^services:\s*(?:#.*)?$/m.test(text);

/** Every Compose file in the directory, by name, without its comments. */
export function composeTexts(project: Project): Map<string, string> {
  const names = fileNames(project).filter(isComposeFile);
  const withoutComments = (text: string) => text.replaceAll(/(^|\s)#.*$/gm, '');
  return new Map(names.map((name) => [name, withoutComments(readText(project, name))]));
}

/** True for a name such as .env.example. */
export const isExample = (name: string) => /example|sample|template|dist/i.test(name);

/** True for the name of a settings file, such as .env; not for that of an example. */
export const isDotEnv = (name: string) => /^\.env($|\.)/.test(name) && !isExample(name);

/** The settings files with values, such as .env. */
export function envFileNames(project: Project): string[] {
  return fileNames(project).filter(isDotEnv);
}

/** The examples of settings files, such as .env.example. */
export function envExampleNames(project: Project): string[] {
  return fileNames(project).filter((name) => isExample(name) && name.includes('env'));
}
