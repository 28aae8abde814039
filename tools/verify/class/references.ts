// The files that Compose itself reads while it resolves a model: they are looked at first, because
// Compose would read any file of this machine, and fetch others from the network.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { isComposeFile } from '../project-files.ts';
import { isInside } from './copy.ts';

/** What the Compose files of a submission, and those that .env names, refer to outside of it. */
export function outsideReferences(directory: string, named: string[]): string[] {
  const search = new Search(directory);
  for (const name of readdirSync(directory).filter(isComposeFile).toSorted())
    search.file(join(directory, name), []);
  const [first = ''] = named;
  const base = dirname(resolve(directory, first));
  for (const name of named) search.reference('.env', 'COMPOSE_FILE', name, [directory], [base]);
  return [...search.faults];
}

class Search {
  readonly faults = new Set<string>();
  readonly #directory: string;
  readonly #seen = new Set<string>();
  readonly #walked = new Set<object>();

  constructor(directory: string) {
    this.#directory = directory;
  }

  /** Looks at one Compose file, whose paths are relative to its own directory or to `bases`. */
  file(path: string, bases: string[]): void {
    const from = [dirname(path), ...bases];
    const key = [path, ...from].join('\n');
    if (this.#seen.has(key) || !existsSync(path)) return;
    this.#seen.add(key);
    const name = relative(this.#directory, path);
    for (const document of this.#documents(path, name)) this.#walk(document, name, from);
  }

  /** Notes a reference that leaves the directory; follows another one if it is a Compose file. */
  reference(name: string, key: string, value: unknown, from: string[], follow?: string[]): void {
    if (typeof value !== 'string') return;
    const isPath = !/\$|^~|^[a-z]+:|^[^/]+@/i.test(value) && !value.startsWith('/');
    const paths = from.map((base) => resolve(base, value));
    if (!isPath || paths.some((path) => !isInside(this.#directory, path))) {
      this.faults.add(`${name}: ${key} names ${value}, which is no path inside the folder`);
      return;
    }
    if (follow) for (const path of paths) this.file(path, follow);
  }

  #documents(path: string, name: string): unknown[] {
    try {
      const documents = parseAllDocuments(readFileSync(path, 'utf8'), {
        merge: true,
        logLevel: 'silent',
      });
      return [...documents].map((document) => {
        const [error] = document.errors;
        if (error) throw error;
        return document.toJS({ maxAliasCount: 1_000 }) as unknown;
      });
    } catch (error) {
      this.faults.add(`${name} cannot be read: ${(error as Error).message.split('\n')[0]}`);
      return [];
    }
  }

  /** Anywhere in the file: an anchor may be far from where it is used. */
  #walk(node: unknown, name: string, from: string[]): void {
    if (typeof node !== 'object' || node === null || this.#walked.has(node)) return;
    this.#walked.add(node); // an alias may lead back to where it stands
    for (const [key, value] of Object.entries(node)) {
      if (key === 'env_file' || key === 'label_file')
        for (const one of listOf(value)) this.reference(name, key, one, from);
      if (key === 'extends') this.reference(name, key, fileOf(value), from, []);
      if (key === 'include') for (const one of itemsOf(value)) this.#include(name, one, from);
      this.#walk(value, name, from);
    }
  }

  #include(name: string, item: unknown, from: string[]): void {
    const { path = item, project_directory: base } = (item ?? {}) as Record<string, unknown>;
    this.reference(name, 'include', base, from);
    const bases = typeof base === 'string' ? from.map((one) => resolve(one, base)) : [];
    for (const one of listOf(path)) this.reference(name, 'include', one, from, bases);
  }
}

const itemsOf = (value: unknown): unknown[] => (Array.isArray(value) ? value : [value]);

/** The paths in a value: a text, a list of texts, or of mappings with a path. */
const listOf = (value: unknown): unknown[] =>
  itemsOf(value).map((one) => (one as { path?: unknown } | null)?.path ?? one);

const fileOf = (value: unknown): unknown => (value as { file?: unknown } | null)?.file;
