// `npm run test:faults` runs the full form (FAULTS=full) and writes its figures into
// docs/reliability.md, next to the name of the test that measured them. `npm run test:all` runs the
// short form: fewer faults and inputs, no load.
import {
  appendFileSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, inject } from 'vitest';
import type { TestProject } from 'vitest/node';
import { root } from '../lib/copy.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** The file that measured() adds to. */
    figures: string;
  }
}

/** True in the full form. */
export const full = process.env.FAULTS === 'full';

/** Keeps what the running test has measured: a few words, with units. */
export function measured(figure: string): void {
  const test = expect.getState().currentTestName?.split(' > ').at(-1);
  console.log(`measured: ${test}: ${figure}`);
  appendFileSync(inject('figures'), `${JSON.stringify({ test, figure })}\n`);
}

export const seconds = (ms: number): string => `${(ms / 1_000).toFixed(1)} s`;

/** Puts new figures into the rows of docs/reliability.md: `| promise | test | figure |`. */
function withFigures(text: string, figures: Map<string, string>): string {
  return text.replaceAll(/^\| (.+) \| (.+) \|.*\|$/gm, (row, promise: string, test: string) => {
    const figure = figures.get(test);
    return figure === undefined ? row : `| ${promise} | ${test} | ${figure} |`;
  });
}

export default function setup({ provide }: TestProject): () => void {
  const directory = mkdtempSync(join(tmpdir(), 'taskapp-figures-'));
  const file = join(directory, 'figures.jsonl');
  provide('figures', file);
  return () => {
    if (full && existsSync(file)) {
      const lines = readFileSync(file, 'utf8')
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as { test: string; figure: string });
      const document = join(root, 'docs/reliability.md');
      writeFileSync(
        document,
        withFigures(
          readFileSync(document, 'utf8'),
          new Map(lines.map(({ test, figure }) => [test, figure])),
        ),
      );
    }
    rmSync(directory, { recursive: true });
  };
}
