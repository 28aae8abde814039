// A report as text, JSON or JUnit XML.
import { styleText } from 'node:util';
import { groupOf, groups } from './check.ts';
import { asJunit } from './junit.ts';
import { count, type Outcome, type Report, type Result, score } from './run.ts';

/** The values of --format. */
export const formats = ['text', 'json', 'junit'] as const;
export type Format = (typeof formats)[number];

export interface FormatOptions {
  as: Format;
  /** The directory of the project, which json and junit name. */
  directory: string;
  /** For text only. */
  colour?: boolean;
}

/** The report in one of the formats, with a newline at its end. */
export function format(report: Report, { as, directory, colour = false }: FormatOptions): string {
  if (as === 'json') return asJson(report, directory);
  if (as === 'junit') return asJunit([{ report, directory }]);
  return asText(report, colour);
}

/** A report, and the directory of its project. */
export interface Titled {
  report: Report;
  directory: string;
}

/** One report as `format` writes it, or several in one document. */
export function formatAll(list: Titled[], options: Omit<FormatOptions, 'directory'>): string {
  const { as } = options;
  const [first] = list;
  if (first && list.length === 1)
    return format(first.report, { ...options, directory: first.directory });
  if (as === 'junit') return asJunit(list);
  const parts = list.map(({ report, directory }) => format(report, { ...options, directory }));
  if (as === 'json') return `[\n${parts.map((part) => part.trimEnd()).join(',\n')}\n]\n`;
  return list.map(({ directory }, n) => `${directory}\n\n${parts[n]}`).join('\n');
}

const marks: Record<Outcome, string> = { passed: '✓', failed: '✗', 'not run': '?', skipped: '-' };
const colours: Record<Outcome, 'green' | 'red' | 'yellow' | 'dim'> = {
  passed: 'green',
  failed: 'red',
  'not run': 'yellow',
  skipped: 'dim',
};

function summary(report: Report): string {
  const { made, of } = score(report);
  const outcomes = ['passed', 'failed', 'not run', 'skipped'] as const;
  const counts = outcomes.map((outcome) => `${count(report, outcome)} ${outcome}`);
  const seconds = (report.ms / 1_000).toFixed(1);
  return `${made} of ${of} points: ${counts.join(', ')} (${seconds} s)`;
}

/** Control characters, in a form that cannot change what the terminal shows. */
const visible = (text: string): string =>
  text.replaceAll(/[\p{Cc}\p{Cf}\p{Cs}]/gu, (one) =>
    one === '\n' ? one : `\\u{${(one.codePointAt(0) ?? 0).toString(16)}}`,
  );

/** The same on one line. */
const inOneLine = (text: string): string => visible(text).replaceAll(/\s+/g, ' ');

/** A text with a label before its first line, and the other lines aligned with the first. */
function labelled(label: string, text: string): string {
  const aligned = text.replaceAll('\n', `\n${' '.repeat(12)}`);
  return `      ${label.padEnd(5)} ${aligned}`;
}

function linesOf({ check, outcome, seen, reason }: Result, colour: boolean): string[] {
  const paint = (text: string) =>
    colour ? styleText(colours[outcome], text, { validateStream: false }) : text;
  const line = `  ${paint(`${marks[outcome]} ${check.id.padEnd(30)}`)} ${check.title}`;
  if (outcome === 'passed') return [line];
  if (outcome !== 'failed') return [`${line} — ${paint(`${outcome}: ${inOneLine(reason)}`)}`];
  return [
    `${line} (${check.points} points, ${check.chapter})`,
    labelled('seen', visible(seen.join('\n'))),
    labelled('why', check.why),
    labelled('fix', check.fix),
  ];
}

function asText(report: Report, colour: boolean): string {
  const lines: string[] = [];
  for (const group of groups) {
    const results = report.results.filter(({ check }) => groupOf(check) === group);
    if (results.length === 0) continue;
    lines.push(group);
    for (const result of results) lines.push(...linesOf(result, colour));
    lines.push('');
  }
  for (const note of report.notes) lines.push(`note: ${inOneLine(note)}`);
  lines.push(summary(report), '');
  return lines.join('\n');
}

function asJson(report: Report, directory: string): string {
  const document = {
    directory,
    points: score(report),
    ms: report.ms,
    notes: report.notes,
    checks: report.results.map(checkAsJson),
  };
  const text = JSON.stringify(document, undefined, 2);
  return `${text.replaceAll(/[\u{7f}-\u{9f}\p{Cf}]/gu, inJson)}\n`;
}

const inJson = (text: string): string =>
  text
    .split('')
    .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
    .join('');

function checkAsJson(result: Result): object {
  const { id, title, chapter, points, destructive = false } = result.check;
  const { outcome, ms } = result;
  return { id, title, chapter, points, destructive, outcome, ms, ...explanation(result) };
}

function explanation({ check: { why, fix }, outcome, seen, reason, blockedBy }: Result): object {
  if (outcome === 'passed') return {};
  return outcome === 'failed' ? { seen, why, fix } : { reason, blockedBy };
}
