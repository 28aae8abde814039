// What verify says to students: the texts of texts/en.yml, or of a translation.
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parse } from 'yaml';

/** Texts by key, which is the name of a section, such as the id of a check, a dot and a name. */
type Language = ReadonlyMap<string, string>;

type Section = Record<string, unknown> | null;

/** The texts in a file, without those that are left empty. Throws if it cannot be read. */
function textsIn(path: string): Language {
  const sections = (parse(readFileSync(path, 'utf8')) ?? {}) as Record<string, Section>;
  const texts = new Map<string, string>();
  for (const [section, entries] of Object.entries(sections)) {
    for (const [name, text] of Object.entries(entries ?? {})) {
      const key = `${section}.${name}`;
      if (text === null || text === '') continue;
      if (typeof text !== 'string' && typeof text !== 'number')
        throw new Error(`${key} is not a text; put quotes around it`);
      texts.set(key, String(text));
    }
  }
  return texts;
}

export const english = textsIn(join(import.meta.dirname, 'texts/en.yml'));

const placeholder = /\{(\w+)\}/g;

/** The names in the braces of a text. */
export const placeholdersIn = (text: string): string[] =>
  [...text.matchAll(placeholder)].map(([, name = '']) => name);

/** True for what is said as it is, such as lines to paste. */
const isPlain = (key: string) => /\.(?:title|why|fix)$/.test(key);

/** Throws if a translation has a text or a value that there is not. It need not have all. */
function mustFit(language: Language): void {
  for (const [key, text] of language) {
    const original = english.get(key);
    if (original === undefined) throw new Error(`there is no text ${key}`);
    const known = placeholdersIn(original);
    const unknown = placeholdersIn(text).find((name) => !known.includes(name));
    if (unknown !== undefined && !isPlain(key)) throw new Error(`${key} has no {${unknown}}`);
  }
}

/** The translation in a file, or why it cannot be used. */
function translationIn(path: string | undefined): { language?: Language; fault?: string } {
  if (path === undefined) return {};
  try {
    const language = textsIn(path);
    mustFit(language);
    return { language };
  } catch (error) {
    return { fault: `${path}: ${(error as Error).message}` };
  }
}

const { VERIFY_TEXTS, INIT_CWD = '.' } = process.env;

/** The file that VERIFY_TEXTS names, relative to where npm was called. */
export const translationFile = VERIFY_TEXTS ? resolve(INIT_CWD, VERIFY_TEXTS) : undefined;

const translation = translationIn(translationFile);

/** Why the translation cannot be used; undefined if it can. */
export const translationFault = translation.fault;

/** The texts of the translation in one: it changes whenever one of them does. */
export const translatedTexts = (): string => JSON.stringify([...(translation.language ?? [])]);

function textOf(key: string): string {
  const text = translation.language?.get(key) ?? english.get(key);
  if (text === undefined) throw new Error(`there is no text ${key}`);
  return text;
}

type Values = Record<string, string | number | null | undefined>;

/** A text, with the values in the place of their names in braces. */
export function say(key: string, values: Values = {}): string {
  return textOf(key).replaceAll(placeholder, (all, name: string) =>
    name in values ? String(values[name]) : all,
  );
}

/** What a check says to students. */
export interface Texts {
  /** One sentence that is true when the check passes. */
  title: string;
  /** Why it matters. */
  why: string;
  /** How to fix it, usually as lines to paste. */
  fix: string;
}

/** The texts of a check. */
export const textsOf = (id: string): Texts => ({
  title: textOf(`${id}.title`),
  why: textOf(`${id}.why`),
  fix: textOf(`${id}.fix`),
});
