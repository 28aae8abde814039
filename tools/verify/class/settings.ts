// The settings file of a submission, and the secret files that Git ignores.
import { randomBytes, randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { isExample } from '../project-files.ts';
import { isInside } from './copy.ts';
import { ownPasswords } from './own-passwords.ts';

/** The file that .env is copied from; undefined if there is none. */
function exampleOf(directory: string): string | undefined {
  const names = readdirSync(directory).toSorted();
  const examples = names.filter((name) => isExample(name) && /^\.?env\b/.test(name));
  return examples.find((name) => !name.includes('prod')) ?? examples[0];
}

/**
 * Makes .env of its example, as a student does: with passwords of its own, and with a last line
 * that tells it from the example. Returns a note on which settings there are.
 */
export function laySettings(directory: string): string[] {
  const path = join(directory, '.env');
  const example = exampleOf(directory);
  if (existsSync(path)) return ['its own .env was used'];
  if (example === undefined) return [];
  const { text, renewed } = ownPasswords(directory, example);
  const mark = `# of this copy only: ${randomUUID()}\n`;
  writeFileSync(path, `${text.replace(/\n?$/, '\n')}${mark}`, { encoding: 'latin1', mode: 0o600 });
  const made = `.env was copied from ${example}`;
  return [renewed.length > 0 ? `${made}, with new values for ${renewed.join(', ')}` : made];
}

/** Makes the secret files that are missing, in each copy with the same value. */
export function laySecrets(paths: string[], from: string, copies: string[]): void {
  for (const path of paths) {
    if (!isInside(from, path) || existsSync(path)) continue;
    const value = randomBytes(16).toString('hex');
    for (const copy of copies) {
      const target = join(copy, path.slice(from.length));
      mkdirSync(dirname(target), { recursive: true });
      writeFileSync(target, value, { mode: 0o444, flag: 'wx' });
    }
  }
}

/** Settings of Docker itself that do no harm. */
const harmless = new Set([
  'COMPOSE_BAKE',
  'COMPOSE_DOCKER_CLI_BUILD',
  'COMPOSE_FILE', // looked at where it is followed
  'COMPOSE_HTTP_TIMEOUT',
  'COMPOSE_IGNORE_ORPHANS',
  'COMPOSE_PROFILES',
  'COMPOSE_PROJECT_NAME', // ours takes precedence
  'COMPOSE_REMOVE_ORPHANS',
  'DOCKER_BUILDKIT',
]);

/** What .env asks for that it may not have, and the Compose files that it names. */
export function settingsOf(directory: string): { faults: string[]; files: string[] } {
  const path = join(directory, '.env');
  const text = existsSync(path) ? readFileSync(path, 'utf8') : '';
  const faults: string[] = [];
  const files: string[] = [];
  for (const [, name = '', value = ''] of text.replaceAll('\r', '\n').matchAll(setting)) {
    if (!harmless.has(name)) faults.push(`.env sets ${name}`);
    if (name !== 'COMPOSE_FILE') continue;
    const list = plainPaths.exec(value.trim())?.[2];
    if (list === undefined) faults.push(`.env sets COMPOSE_FILE to ${value.trim()}`);
    else files.push(...list.split(':').filter(Boolean));
  }
  return { faults, files };
}

/**
 * A setting of Docker itself, wherever Compose could find it: at the start of a line, even after
 * other characters, or behind a quote. A comment counts only if it has a quote before it.
 */
const setting =
  /(?:^[^\w#]*|["'].*?)(?<![\w{$])(?:export)?\s*((?:COMPOSE|DOCKER|BUILDX|BUILDKIT)_\w+)\s*[=:](?=(.*)$)/gm;

/** Paths between colons, perhaps in quotes. Compose could read anything else in another way. */
const plainPaths = /^(["']?)([\w./:-]+)\1(?:\s+#.*)?$/;
