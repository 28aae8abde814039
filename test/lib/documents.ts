// The commands of the documents, for tests that run them as they stand.
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { root } from './copy.ts';

const run = promisify(execFile);

/**
 * The blocks of a section that have these words: one block for each, one after the other. Throws if
 * not exactly one block of the section has the words.
 */
export function blocks(document: string, section: string, ...words: string[]): string {
  const text = readFileSync(join(root, 'docs', document), 'utf8');
  const [, after = ''] = text.split(new RegExp(`^##+ ${section}$`, 'm'));
  const [body = ''] = after.split(/^##+ /m);
  const all = [...body.matchAll(/```(?:ba)?sh\n(.*?)```/gs)].map(([, block = '']) => block);
  const found = words.map((word) => {
    const fitting = all.filter((block) => block.includes(word));
    if (fitting.length === 1) return fitting[0];
    throw new Error(`${document}, ${section}: ${fitting.length} blocks have "${word}"`);
  });
  return found.join('');
}

/** The same of docs/runbooks.md. */
export const runbook = (section: string, ...words: string[]): string =>
  blocks('runbooks.md', section, ...words);

/** Runs commands as somebody who types them would, but stops at the first that fails. */
export async function follow(
  commands: string,
  directory: string,
  env: NodeJS.ProcessEnv,
): Promise<string> {
  const options = { cwd: directory, env: { ...process.env, ...env } };
  return (await run('bash', ['-euo', 'pipefail', '-c', commands], options)).stdout;
}
