// A report as JUnit XML: a test suite for each group.
import { type Group, groupOf, groups } from './check.ts';
import type { Outcome, Report, Result } from './run.ts';

/** The reports as an XML document, which their directories name. */
export function asJunit(list: { report: Report; directory: string }[]): string {
  const name = list.map(({ directory }) => directory).join(', ');
  const suites = list.flatMap(({ report, directory }) =>
    suitesOf(report, list.length > 1 ? `${directory}: ` : ''),
  );
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites name="${escaped(name)}">`,
    ...suites,
    '</testsuites>',
    '',
  ].join('\n');
}

function suitesOf(report: Report, prefix: string): string[] {
  return groups.flatMap((group) => {
    const results = report.results.filter(({ check }) => groupOf(check) === group);
    return results.length === 0 ? [] : suite(group, results, prefix);
  });
}

/** Control characters, most of which XML 1.0 cannot represent, become U+FFFD. */
function escaped(value: string): string {
  return value
    .replaceAll(
      /[^\t\n\r\u{20}-\u{7E}\u{A0}-\u{D7FF}\u{E000}-\u{FFFD}\u{10000}-\u{10FFFF}]/gu,
      '\u{FFFD}',
    )
    .replaceAll(/[<>&"\n\r\p{Cf}]/gu, (character) => `&#${character.codePointAt(0)};`);
}

const seconds = (results: Result[]) => {
  const ms = results.reduce((sum, result) => sum + result.ms, 0);
  return (ms / 1_000).toFixed(3);
};

function suite(group: Group, results: Result[], prefix: string): string[] {
  const of = (outcome: Outcome) => results.filter((result) => result.outcome === outcome).length;
  const attributes = [
    `name="${escaped(prefix + group)}"`,
    `tests="${results.length}"`,
    `failures="${of('failed')}"`,
    `errors="${of('not run')}"`,
    `skipped="${of('skipped')}"`,
    `time="${seconds(results)}"`,
  ].join(' ');
  const cases = results.map((result) => testCase(group, result));
  return [`  <testsuite ${attributes}>`, ...cases, '  </testsuite>'];
}

function testCase(group: Group, result: Result): string {
  const { id, title } = result.check;
  const attributes = [
    `classname="verify.${group}"`,
    `name="${escaped(`${id}: ${title}`)}"`,
    `time="${seconds([result])}"`,
  ].join(' ');
  const content = explanation(result);
  const open = `    <testcase ${attributes}`;
  return content === '' ? `${open}/>` : `${open}>${content}</testcase>`;
}

function explanation({ check: { why, fix }, outcome, seen, reason }: Result): string {
  if (outcome === 'passed') return '';
  if (outcome === 'failed') {
    const message = escaped(seen.join('\n'));
    return `<failure message="${message}">${escaped(`${why}\n\n${fix}`)}</failure>`;
  }
  const element = outcome === 'skipped' ? 'skipped' : 'error';
  return `<${element} message="${escaped(reason)}"/>`;
}
