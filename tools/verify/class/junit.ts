// The class as JUnit XML, which learning platforms import: a test suite for each submission.
import type { Judgement, Verdict } from './judgement.ts';
import { escaped } from './plain.ts';
import type { Weights } from './weights.ts';

export function asJunit(judgements: Judgement[], weights: Weights): string {
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    '<testsuites name="verify">',
    ...judgements.flatMap((judgement) => suite(judgement, weights)),
    '</testsuites>',
    '',
  ].join('\n');
}

/** In an attribute, a line break would become a space. */
const attribute = (text: string): string => escaped(text).replaceAll('\n', '&#10;');

function suite({ folder, checks, ms }: Judgement, weights: Weights): string[] {
  const count = (outcome: Verdict['outcome']) =>
    checks.filter((verdict) => verdict.outcome === outcome).length;
  const attributes = [
    `name="${attribute(folder)}"`,
    `tests="${checks.length}"`,
    `failures="${count('failed')}"`,
    `errors="${count('not run')}"`,
    `skipped="${count('skipped')}"`,
    `time="${(ms / 1_000).toFixed(3)}"`,
  ].join(' ');
  const cases = checks.map((verdict) => testCase(folder, verdict, weights.get(verdict.id) ?? 0));
  return [`  <testsuite ${attributes}>`, ...cases, '  </testsuite>'];
}

function testCase(folder: string, verdict: Verdict, points: number): string {
  const { id, title, ms } = verdict;
  const name = `${id}: ${title} (${points} points)`;
  const time = (ms / 1_000).toFixed(3);
  const open = `    <testcase classname="${attribute(folder)}" name="${attribute(name)}"`;
  const content = explanation(verdict);
  return content === ''
    ? `${open} time="${time}"/>`
    : `${open} time="${time}">${content}</testcase>`;
}

function explanation({ outcome, seen, reason, why, fix }: Verdict): string {
  if (outcome === 'passed') return '';
  if (outcome === 'failed') {
    const message = attribute(seen.join('\n'));
    return `<failure message="${message}">${escaped(`${why}\n\n${fix}`)}</failure>`;
  }
  const element = outcome === 'skipped' ? 'skipped' : 'error';
  return `<${element} message="${attribute(reason)}"/>`;
}
