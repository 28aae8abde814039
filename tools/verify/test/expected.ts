// Compares a report with what a test expects of it.
import type { Outcome, Report } from '../run.ts';

export const idsOf = ({ results }: Report, outcome: Outcome): string[] =>
  results.filter((result) => result.outcome === outcome).map(({ check }) => check.id);

/** In which way a report differs from these failures and these checks that could not be run; nothing where they are exactly those. */
export function differences(
  { results }: Report,
  failed: string[],
  notRun: string[] = [],
): string[] {
  return results.flatMap(({ check: { id }, outcome, seen, reason }) => {
    const expected: string = failed.includes(id)
      ? 'failed'
      : notRun.includes(id)
        ? 'not run'
        : 'passed';
    if (outcome === expected || (outcome === 'skipped' && expected === 'passed')) return [];
    return [`${id} has ${outcome}, expected ${expected}: ${seen.join()}${reason}`];
  });
}
