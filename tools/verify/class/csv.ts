// The class as CSV: a line for each submission, a column for each chapter.
import { byChapter, percentOf, scoreOf } from './score.ts';
import type { Judgement } from './judgement.ts';
import { plainLine } from './plain.ts';
import { remarkOf } from './table.ts';
import type { Weights } from './weights.ts';

/** The class as a CSV document (RFC 4180). */
export function asCsv(judgements: Judgement[], weights: Weights): string {
  const chapters = [...new Set(judgements.flatMap((one) => byChapter(one).map(([name]) => name)))];
  const titles = ['submission', 'points', 'of', 'percent', ...chapters, 'remark'];
  const rows = judgements.map((judgement) => {
    const { made, of } = scoreOf(judgement.checks, weights);
    const parts = new Map(byChapter(judgement));
    const points = chapters.map((name) => scoreOf(parts.get(name) ?? [], weights).made);
    const numbers = [made, of, percentOf({ made, of }), ...points].map(String);
    return [judgement.folder, ...numbers, remarkOf(judgement)];
  });
  return [titles, ...rows].map((row) => `${row.map(cell).join(',')}\r\n`).join('');
}

/** A spreadsheet takes a text that starts with one of these for a formula, and runs it. */
const isFormula = (text: string) => /^[=+\-@\t\r]/.test(text);

function cell(value: string): string {
  const text = plainLine(value, 1_000);
  const harmless = isFormula(text) ? `'${text}` : text;
  return /[",\n\r']/.test(harmless) ? `"${harmless.replaceAll('"', '""')}"` : harmless;
}
