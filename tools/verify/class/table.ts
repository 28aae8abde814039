// The class as a table for the terminal.
import type { Judgement } from './judgement.ts';
import { plainLine } from './plain.ts';
import { percentOf, scoreOf } from './score.ts';
import type { Weights } from './weights.ts';

const widest = 40;

/** A line for each submission, with its points and what stands out. */
export function asTable(judgements: Judgement[], weights: Weights): string {
  const names = judgements.map(({ folder }) => plainLine(folder, widest));
  const width = Math.max(10, ...names.map((name) => name.length));
  const lines = judgements.map((judgement, n) => {
    const score = scoreOf(judgement.checks, weights);
    const points = `${score.made}/${score.of}`.padStart(9);
    const percent = `${percentOf(score)} %`.padStart(6);
    const seconds = `${Math.round(judgement.ms / 1_000)} s`.padStart(6);
    const name = (names[n] ?? '').padEnd(width);
    return `${name} ${points} ${percent} ${seconds}  ${remarkOf(judgement)}`.trimEnd();
  });
  const titles = `${'submission'.padEnd(width)} ${'points'.padStart(9)}`;
  return [titles, ...lines, ''].join('\n');
}

/** What an instructor should see at once. */
export function remarkOf({ refused, checks }: Judgement): string {
  if (refused.length > 0) return `refused: ${plainLine(refused.join('; '), 120)}`;
  const stopped = checks.every(({ outcome }) => outcome === 'not run') && checks[0];
  if (stopped) return plainLine(stopped.reason, 120);
  const failed = checks.filter(({ outcome }) => outcome === 'failed').length;
  const notRun = checks.filter(({ outcome }) => outcome === 'not run').length;
  return `${failed} failed, ${notRun} not run`;
}
