// Points of a submission, in all and by chapter.
import { chapters } from '../check.ts';
import type { Judgement, Verdict } from './judgement.ts';
import type { Weights } from './weights.ts';

export interface Score {
  made: number;
  of: number;
}

/** The submission has nothing of the kind; not: the failure of another check is in the way. */
const isLeftOut = ({ outcome, blockedBy }: Verdict) =>
  outcome === 'skipped' && blockedBy === undefined;

/**
 * The points of the checks that passed, and of all. A check without a verdict counts as not passed,
 * unless the submission has nothing of the kind: a stack that does not start has no high percentage.
 */
export function scoreOf(verdicts: Verdict[], weights: Weights): Score {
  const sum = (list: Verdict[]) =>
    list.reduce((points, { id }) => points + (weights.get(id) ?? 0), 0);
  return {
    made: sum(verdicts.filter(({ outcome }) => outcome === 'passed')),
    of: sum(verdicts.filter((verdict) => !isLeftOut(verdict))),
  };
}

/** The whole percent of a score, rounded down: 100 means everything. */
export const percentOf = ({ made, of }: Score): number =>
  of === 0 ? 0 : Math.floor((made / of) * 100);

/** The verdicts of each chapter that has any. */
export function byChapter({ checks }: Judgement): [string, Verdict[]][] {
  const parts = chapters.map((chapter): [string, Verdict[]] => [
    chapter,
    checks.filter((verdict) => verdict.chapter === chapter),
  ]);
  return parts.filter(([, verdicts]) => verdicts.length > 0);
}
