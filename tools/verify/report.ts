// The result for people and for programs.
import { styleText } from 'node:util';
import { groupOf, groups } from './check.ts';
import { count, type Outcome, type Report, type Result, score } from './run.ts';

export const formats = ['text', 'json', 'junit'] as const;
export type Format = (typeof formats)[number];

const marks: Record<Outcome, string> = { passed: '✓', failed: '✗', 'not run': '?', skipped: '-' };
const colours: Record<Outcome, 'green' | 'red' | 'yellow' | 'dim'> = {
  passed: 'green',
  failed: 'red',
  'not run': 'yellow',
  skipped: 'dim',
};

const summary = (report: Report): string => {
  const { made, of } = score(report);
  const counts = (['passed', 'failed', 'not run', 'skipped'] as const).map(
    (outcome) => `${count(report, outcome)} ${outcome}`,
  );
  return `${made} of ${of} points: ${counts.join(', ')} (${(report.ms / 1_000).toFixed(1)} s)`;
};

/** Lines of which all but the first are indented, so that they stand below it. */
const below = (label: string, text: string) =>
  `      ${label.padEnd(5)} ${text.replaceAll('\n', `\n${' '.repeat(12)}`)}`;

function lines({ check, outcome, seen, reason }: Result, colour: boolean): string[] {
  const paint = (text: string) =>
    colour ? styleText(colours[outcome], text, { validateStream: false }) : text;
  const line = `  ${paint(`${marks[outcome]} ${check.id.padEnd(30)}`)} ${check.title}`;
  if (outcome === 'passed') return [line];
  if (outcome !== 'failed') return [`${line} — ${paint(`${outcome}: ${reason}`)}`];
  return [
    `${line} (${check.points} points, ${check.chapter})`,
    below('seen', seen.join('\n')),
    below('why', check.why),
    below('mend', check.fix),
  ];
}

function asText(report: Report, colour: boolean): string {
  const sections = groups.flatMap((group) => {
    const results = report.results.filter(({ check }) => groupOf(check) === group);
    return results.length === 0
      ? []
      : [group, ...results.flatMap((result) => lines(result, colour)), ''];
  });
  return [...sections, ...report.notes.map((note) => `note: ${note}`), summary(report), ''].join(
    '\n',
  );
}

function asJson(report: Report, directory: string): string {
  const { made, of } = score(report);
  const checks = report.results.map(
    ({
      check: { id, title, chapter, points, why, fix, destructive = false },
      outcome,
      seen,
      reason,
      ms,
    }) => ({
      id,
      title,
      chapter,
      points,
      destructive,
      outcome,
      ms,
      ...(outcome === 'failed' ? { seen, why, fix } : outcome === 'passed' ? {} : { reason }),
    }),
  );
  return `${JSON.stringify({ directory, points: { made, of }, ms: report.ms, notes: report.notes, checks }, undefined, 2)}\n`;
}

/** XML 1.0 has no way to write most control characters. */
const escaped = (value: string) =>
  value
    .replaceAll(/[^\t\n\r\u{20}-\u{D7FF}\u{E000}-\u{FFFD}\u{10000}-\u{10FFFF}]/gu, '\u{FFFD}')
    .replaceAll(/[<>&"\n]/g, (character) => `&#${character.codePointAt(0)};`);

function asJunit(report: Report, directory: string): string {
  const suites = groups.flatMap((group) => {
    const results = report.results.filter(({ check }) => groupOf(check) === group);
    if (results.length === 0) return [];
    const of = (outcome: Outcome) => results.filter((result) => result.outcome === outcome).length;
    const seconds = (list: Result[]) =>
      (list.reduce((sum, { ms }) => sum + ms, 0) / 1_000).toFixed(3);
    const cases = results.map((result) => {
      const { check, outcome, seen, reason } = result;
      const open = `    <testcase classname="verify.${group}" name="${escaped(`${check.id}: ${check.title}`)}" time="${seconds([result])}"`;
      if (outcome === 'passed') return `${open}/>`;
      const why = `${check.why}\n\n${check.fix}`;
      if (outcome === 'failed')
        return `${open}><failure message="${escaped(seen.join('\n'))}">${escaped(why)}</failure></testcase>`;
      return `${open}><${outcome === 'skipped' ? 'skipped' : 'error'} message="${escaped(reason)}"/></testcase>`;
    });
    const counts = `tests="${results.length}" failures="${of('failed')}" errors="${of('not run')}" skipped="${of('skipped')}" time="${seconds(results)}"`;
    return [`  <testsuite name="${group}" ${counts}>`, ...cases, '  </testsuite>'];
  });
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites name="${escaped(directory)}">`,
    ...suites,
    '</testsuites>',
    '',
  ].join('\n');
}

/** The report in one of the formats; colour for text only. */
export function format(
  report: Report,
  { as, directory, colour = false }: { as: Format; directory: string; colour?: boolean },
): string {
  if (as === 'json') return asJson(report, directory);
  return as === 'junit' ? asJunit(report, directory) : asText(report, colour);
}
