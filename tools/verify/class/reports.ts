// Writes the reports of a class into its directory.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { asCsv } from './csv.ts';
import { classPage, submissionPage } from './html.ts';
import type { Judgement } from './judgement.ts';
import { asJunit } from './junit.ts';
import type { Weights } from './weights.ts';

/** Judgements by the key of their submission, in the order of the folders. */
export function writeReports(
  directory: string,
  judgements: Map<string, Judgement>,
  weights: Weights,
): void {
  mkdirSync(join(directory, 'students'), { recursive: true });
  const list = [...judgements.values()];
  const links = [...judgements.keys()].map((key) => `students/${key}.html`);
  writeFileSync(join(directory, 'class.csv'), asCsv(list, weights));
  writeFileSync(join(directory, 'class.junit.xml'), asJunit(list, weights));
  writeFileSync(join(directory, 'index.html'), classPage(list, links, weights));
  for (const [n, judgement] of list.entries()) {
    const path = join(directory, links[n] ?? '');
    writeFileSync(path, submissionPage(judgement, weights));
  }
}
