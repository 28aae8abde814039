// What is known of one submission after it was graded. All its texts are plain ones.
import type { Chapter } from '../check.ts';
import { checks } from '../checks/all.ts';
import type { Outcome } from '../run.ts';
import { plain, plainLine } from './plain.ts';

export interface Verdict {
  id: string;
  title: string;
  chapter: Chapter;
  points: number;
  outcome: Outcome;
  ms: number;
  seen: string[];
  reason: string;
  /** The failed check that keeps this one from a verdict. */
  blockedBy?: string;
  why: string;
  fix: string;
}

export interface Judgement {
  /** The name of the folder. */
  folder: string;
  /** Changes with the files of the submission, and with the checks. */
  fingerprint: string;
  /** What it asked for and may not have: then no part of it ran. */
  refused: string[];
  /** What else its author and the instructor should know, such as a build that failed. */
  notes: string[];
  checks: Verdict[];
  ms: number;
}

/** A check as `--format json` writes it. */
type Written = Omit<Verdict, 'seen' | 'reason' | 'why' | 'fix'> & Partial<Verdict>;

const mostSeen = 20;

function verdictOf(written: Written): Verdict {
  const own = checks.find(({ id }) => id === written.id);
  const { seen = [], reason = '', blockedBy } = written;
  return {
    id: written.id,
    title: written.title,
    chapter: written.chapter,
    points: written.points,
    outcome: written.outcome,
    ms: written.ms,
    seen: seen.slice(0, mostSeen).map((one) => plain(one)),
    reason: plain(reason),
    ...(blockedBy === undefined ? {} : { blockedBy }),
    why: own?.why ?? '',
    fix: own?.fix ?? '',
  };
}

/** The verdicts in what the judge printed. Throws if it is not a report. */
export function verdictsIn(json: string): Verdict[] {
  const { checks: written } = JSON.parse(json) as { checks: Written[] };
  return written.map(verdictOf);
}

/** The verdicts of a submission on which no check could run. */
export function verdictsWithout(reason: string, destructive: boolean): Verdict[] {
  const chosen = checks.filter((check) => destructive || !check.destructive);
  return chosen.map((check) => verdictOf({ ...check, outcome: 'not run', ms: 0, reason }));
}

/** The same with plain texts. */
export function plainJudgement(judgement: Judgement): Judgement {
  return {
    ...judgement,
    folder: plainLine(judgement.folder),
    refused: judgement.refused.map((reason) => plainLine(reason)),
    notes: judgement.notes.map((note) => plain(note)),
  };
}
