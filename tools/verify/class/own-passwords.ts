// Gives the settings of a submission passwords of their own. Those of an example are published: in an
// image, nobody could tell whether they come from .env.
import { randomInt } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { valueIn } from '../published.ts';
import { secretsAmong } from '../secret-names.ts';
import { filesBelow, textOf } from '../tree.ts';

export interface Settings {
  text: string;
  /** The variables whose value is not that of the example. */
  renewed: string[];
}

const line = /^(\s*(?:export\s+)?(\w+)=)(.*)$/gm;

/**
 * The text of an example with new passwords. One stays as it is if the submission has it in another
 * place as well, such as an init file, or uses the example itself: the two would no longer match.
 */
export function ownPasswords(directory: string, example: string): Settings {
  const text = readFileSync(join(directory, example), 'latin1');
  const others = textsBeside(directory, example);
  if (others.some((other) => other.includes(basename(example)))) return { text, renewed: [] };

  const [secrets, rest] = passwordsIn(text);
  const elsewhere = [...others, rest];
  const fresh = new Map<string, string>();
  for (const value of new Set(secrets.values()))
    if (isPlain(value) && !elsewhere.some((other) => other.includes(value)))
      fresh.set(value, similarTo(value));

  const renewed = [...secrets].filter(([, value]) => fresh.has(value)).map(([name]) => name);
  const changed = text.replaceAll(line, (all, start: string, name: string, value: string) => {
    const old = secrets.get(name);
    const own = old === undefined ? undefined : fresh.get(old);
    return old === undefined || own === undefined ? all : start + value.replace(old, own);
  });
  return { text: changed, renewed };
}

/** The passwords by the names of their variables, and what else the lines have. */
function passwordsIn(text: string): [Map<string, string>, string] {
  const secrets = new Map<string, string>();
  const rest: string[] = [];
  for (const [, , name = '', value = ''] of text.matchAll(line)) {
    const [secret] = secretsAmong({ [name]: valueIn(value) });
    if (secret) secrets.set(...secret);
    rest.push(value.replace(secret?.[1] ?? '', ''));
  }
  return [secrets, rest.join('\n')];
}

/** Long enough to be found, the same in every encoding, and without variables. */
const isPlain = (value: string) => /^[!-~]{6,}$/.test(value) && !value.includes('$');

/** What is read by programs: not documents, and not what Git and Docker are to leave out. */
const isRead = (path: string) => !/\.(?:md|rst|adoc)$|ignore$|\.gitattributes$/i.test(path);

function textsBeside(directory: string, example: string): string[] {
  const own = join(directory, example);
  const paths = filesBelow(directory).filter((path) => path !== own && isRead(path));
  return paths.map(textOf);
}

/**
 * A random text with the same kinds of characters in the same places: both fit where one does. Only
 * its last letter becomes a digit, which no word has.
 */
function similarTo(value: string): string {
  const isHexadecimal = /^[\da-f]+$/i.test(value);
  const letters = isHexadecimal ? 'abcdef' : 'abcdefghijklmnopqrstuvwxyz';
  const digits = '0123456789';
  const oneOf = (alphabet: string) => alphabet.charAt(randomInt(alphabet.length));
  return value
    .replace(/[a-z](?=[^a-z]*$)/i, '0')
    .replaceAll(/[a-z]/g, () => oneOf(letters))
    .replaceAll(/[A-Z]/g, () => oneOf(letters.toUpperCase()))
    .replaceAll(/\d/g, () => oneOf(digits));
}
