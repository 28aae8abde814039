// The texts of verify: each is there once, is said, and can be translated.
import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it, onTestFinished } from 'vitest';
import { checks } from '../checks/all.ts';
import { english, placeholdersIn, say } from '../texts.ts';

const verify = join(import.meta.dirname, '..');

/** A text that the code says, and the names of the values that it gives. */
interface Said {
  key: string;
  names: string[];
}

const isCode = (name: string) =>
  name.endsWith('.ts') && !name.startsWith('test/') && !name.endsWith('.test.ts');

const files = readdirSync(verify, { recursive: true, encoding: 'utf8' }).filter(isCode);
const others = files.filter((name) => name !== 'texts.ts');
const sources = others.map((name) => readFileSync(join(verify, name), 'utf8'));

/** A call with its key, and the values in braces up to the end of the call. */
const call = /^say\(\s*'([\w.-]+)'(?:,\s*\{([^]*?)\}\s*,?)?\s*\)/;

function saidAt(source: string, start: number): Said {
  const rest = source.slice(start);
  const [, key, values = ''] = call.exec(rest) ?? [];
  if (key === undefined) throw new Error(`not a key and values: ${rest.slice(0, 60)}`);
  // The arguments of a call, and the parts of a template, are not names of values.
  const plain = values.replaceAll(/`[^`]*`/g, '').replaceAll(/\((?:[^()]|\([^()]*\))*\)/g, '');
  const entries = plain.split(',').map((entry) => entry.trim());
  return { key, names: entries.filter(Boolean).map((entry) => /^\w+/.exec(entry)?.[0] ?? entry) };
}

const said = sources.flatMap((source) =>
  [...source.matchAll(/\bsay\(/g)].map(({ index }) => saidAt(source, index)),
);
const ofChecks = checks.flatMap(({ id }) => [`${id}.title`, `${id}.why`, `${id}.fix`]);

describe('the texts', () => {
  it('are those that the code says, and a title, a reason and a cure for each check', () => {
    expect(said.length).toBeGreaterThan(100);
    const wanted = new Set([...ofChecks, ...said.map(({ key }) => key)]);
    expect([...english.keys()].toSorted()).toEqual([...wanted].toSorted());
    for (const text of english.values()) expect(text).toMatch(/^\S[^]*\S$/);
  });

  it('are not in the code', () => {
    const inCode = /(?:new Not(?:Possible|Applicable)|faults\.push)\(\s*'[^']*'/g;
    expect(sources.flatMap((source) => source.match(inCode) ?? [])).toEqual([]);
  });

  it('have exactly the values that the code gives', () => {
    for (const { key, names: given } of said) {
      const used = new Set(placeholdersIn(english.get(key) ?? ''));
      expect([key, ...used].toSorted()).toEqual([key, ...given].toSorted());
    }
  });

  it('take a value as it is, whatever is in it', () => {
    const values = { name: '{owner} $& $1', owner: 'api' };
    expect(say('shared.name-of-owner', values)).toBe('{owner} $& $1 of api');
  });
});

/** A file with a translation, in a directory of its own. */
function translated(text: string): string {
  const directory = mkdtempSync(join(tmpdir(), 'taskapp-verify-texts-'));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  writeFileSync(join(directory, 'made-up.yml'), text);
  return directory;
}

interface Ended {
  code: number;
  stdout: string;
  stderr: string;
}

/** Runs Node in a directory, as npm does, with the translation that is there. */
function node(directory: string, ...args: string[]): Promise<Ended> {
  const env = { ...process.env, INIT_CWD: directory, VERIFY_TEXTS: 'made-up.yml' };
  return promisify(execFile)(process.execPath, args, { env }).then(
    (output) => ({ code: 0, ...output }),
    (error: Ended) => error,
  );
}

const main = join(verify, 'main.ts');

describe('a translation', () => {
  it('is used for what it has, and English for the rest', async () => {
    const directory = translated(`
      files.compose:
        title: Compose ligger her
        missing: "{directory} har ingen compose.yml"
        why: ""
      files.readme:
      shared:
        blocked-by: "{check} er i vejen"`);
    const only = ['--only', 'files.compose,files.readme,compose.restart'];
    const { code: exit, stdout } = await node(directory, main, ...only, '--format', 'json');
    expect(exit).toBe(1);
    const { checks: results } = JSON.parse(stdout) as { checks: object[] };
    const original = (id: string) => checks.find((check) => check.id === id);
    expect(results).toMatchObject([
      {
        title: 'Compose ligger her',
        seen: [`${directory} har ingen compose.yml`],
        why: original('files.compose')?.why,
      },
      { title: original('files.readme')?.title, seen: [say('files.readme.missing')] },
      { reason: 'files.compose er i vejen', blockedBy: 'files.compose' },
    ]);
  });

  it.each([
    ['a file that is not there', 'x.yml', '', 'no such file'],
    [
      'a text that verify does not have',
      'made-up.yml',
      'files.compose: { titel: x }',
      'no text files.compose.titel',
    ],
    [
      'a value that the text does not have',
      'made-up.yml',
      'files.compose: { missing: "{path}" }',
      'files.compose.missing has no {path}',
    ],
    [
      'a text without quotes around its braces',
      'made-up.yml',
      'files.compose: { missing: {directory} }',
      'files.compose.missing is not a text',
    ],
    ['a file that is not YAML', 'made-up.yml', 'files.compose: {', 'Flow map'],
  ])('is refused with %s', async (_what, name, text, message) => {
    const directory = translated(text);
    const env = { ...process.env, INIT_CWD: directory, VERIFY_TEXTS: name };
    const ended = promisify(execFile)(process.execPath, [main, '--help'], { env });
    await expect(ended).rejects.toMatchObject({
      code: 2,
      stdout: '',
      stderr: expect.stringMatching(new RegExp(`^verify: VERIFY_TEXTS: .*${message}`)) as string,
    });
  });

  it('holds for a class: for its earlier results, and each submission', async () => {
    const seenWith = async (text: string) => {
      const directory = translated(text);
      const script = join(import.meta.dirname, 'in-a-class.ts');
      const { stdout } = await node(directory, script, join(verify, 'texts'));
      const seen = JSON.parse(stdout) as { file: string; fingerprint: string };
      expect(seen.file).toBe(join(directory, 'made-up.yml'));
      return seen.fingerprint;
    };
    const danish = await seenWith('shared: { blocked-by: "{check} er i vejen" }');
    expect(danish).not.toBe(await seenWith(''));
  });
});
