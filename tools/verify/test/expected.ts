// Compares a report with what a test expects.
import { expect } from 'vitest';
import type { Outcome, Report } from '../run.ts';
import type { Course } from './course.ts';

/** The ids of the checks with this outcome. */
export const idsOf = ({ results }: Report, outcome: Outcome): string[] =>
  results.filter((result) => result.outcome === outcome).map(({ check }) => check.id);

/**
 * How a report differs from exactly these failures, and exactly these checks that could not run.
 * A skipped check counts as passed, unless another blocks it: it then could not run.
 */
export function differences(
  { results }: Report,
  failed: string[],
  notRun: string[] = [],
): string[] {
  const expectedOf = (id: string): Outcome => {
    if (failed.includes(id)) return 'failed';
    return notRun.includes(id) ? 'not run' : 'passed';
  };
  return results.flatMap(({ check: { id }, seen, reason, blockedBy, ...result }) => {
    const expected = expectedOf(id);
    const outcome = blockedBy === undefined ? result.outcome : 'not run';
    if (outcome === expected || (outcome === 'skipped' && expected === 'passed')) return [];
    return [`${id} has ${outcome}, expected ${expected}: ${seen.join()}${reason}`];
  });
}

/** Starts it, and runs every check, the destructive too: none fails, and its tasks are as before. */
export async function passesAll(course: Course): Promise<Report> {
  await course.compose('up', '-d', '--build');
  const before = await course.tasks();
  const report = await course.check({ destructive: true }, { mayRunScripts: true });
  expect(differences(report, [])).toEqual([]);
  expect(await course.tasks()).toBe(before);
  return report;
}
