// Runs the checks one after another, each within its limit of time.
import { type Check, groupOf, NotApplicable, NotPossible } from './check.ts';
import { checks } from './checks/all.ts';
import type { Project } from './project.ts';

/**
 * passed and failed are verdicts. not run: it could not be looked at, and the reason says why. skipped: the project has nothing of the
 * kind, or the check is destructive and that was not asked for.
 */
export type Outcome = 'passed' | 'failed' | 'not run' | 'skipped';

export interface Result {
  check: Check;
  outcome: Outcome;
  /** What was seen that should not be. */
  seen: string[];
  /** Why there is no verdict. */
  reason: string;
  ms: number;
}

export interface Report {
  /** In the order of the groups. */
  results: Result[];
  /** What whoever runs the checks should know beside the results. */
  notes: string[];
  ms: number;
}

export interface Selection {
  /** Groups, or ids of checks; all unless given. */
  only?: string[] | undefined;
  /** Run those, too, that stop and start containers. */
  destructive?: boolean;
  onStart?: (check: Check) => void;
  /** Ends the run after the check under way. */
  signal?: AbortSignal;
}

const limitMs = 25_000; // of one check
const totalMs = 55_000; // of all that only look
const destructiveMs = 130_000; // then no other destructive check begins

/** Runs the chosen checks, the destructive ones last, and deletes the tasks they made. */
export async function verify(
  project: Project,
  { only, destructive = false, onStart, signal }: Selection = {},
): Promise<Report> {
  const startedAt = performance.now();
  const elapsed = () => performance.now() - startedAt;
  const chosen = checks.filter(
    (check) => only === undefined || only.includes(groupOf(check)) || only.includes(check.id),
  );
  const inOrder = [
    ...chosen.filter((check) => !check.destructive),
    ...chosen.filter((check) => check.destructive),
  ];
  const results = new Map<Check, Result>();
  const interrupted = new Promise<never>((_resolve, reject) => {
    signal?.addEventListener('abort', () => reject(new NotPossible('interrupted')));
  });
  interrupted.catch(() => undefined);

  /** What looks only may be left alone when it hangs; what has stopped something is waited for, as it must start it again. */
  const limited = async (check: Check): Promise<string[]> => {
    if (signal?.aborted) throw new NotPossible('interrupted');
    if (check.destructive && !destructive)
      throw new NotApplicable('stops containers, and runs with --destructive only');
    if (elapsed() > (check.destructive ? destructiveMs : totalMs))
      throw new NotPossible('the time for all checks is over');
    const verdict = Promise.resolve(check.run(project));
    if (check.destructive) return verdict;
    const ms = Math.min(limitMs, totalMs - elapsed());
    let timer: NodeJS.Timeout | undefined;
    const timeout = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(
        () => reject(new NotPossible(`no verdict within ${Math.round(ms / 1_000)} s`)),
        ms,
      );
    });
    return Promise.race([verdict, timeout, interrupted]).finally(() => clearTimeout(timer));
  };

  for (const check of inOrder) {
    onStart?.(check);
    const from = performance.now();
    const result: Result = { check, outcome: 'passed', seen: [], reason: '', ms: 0 };
    try {
      result.seen = await limited(check);
      if (result.seen.length > 0) result.outcome = 'failed';
    } catch (error) {
      if (error instanceof NotApplicable)
        Object.assign(result, { outcome: 'skipped', reason: error.message });
      else if (error instanceof NotPossible)
        Object.assign(result, { outcome: 'not run', reason: error.message });
      else
        Object.assign(result, {
          outcome: 'failed',
          seen: [error instanceof Error ? error.message : String(error)],
        });
    }
    result.ms = Math.round(performance.now() - from);
    results.set(check, result);
  }
  const notes = await project.cleanUp();
  return {
    results: chosen.flatMap((check) => results.get(check) ?? []),
    notes,
    ms: Math.round(elapsed()),
  };
}

export const count = ({ results }: Report, outcome: Outcome): number =>
  results.filter((result) => result.outcome === outcome).length;

/** Points that were made and could be made: all but those of skipped checks. */
export function score({ results }: Report): { made: number; of: number } {
  const sum = (list: Result[]) => list.reduce((points, { check }) => points + check.points, 0);
  return {
    made: sum(results.filter(({ outcome }) => outcome === 'passed')),
    of: sum(results.filter(({ outcome }) => outcome !== 'skipped')),
  };
}

/** 0 only when something has run, and all of it has passed. */
export const exitCode = (report: Report): 0 | 1 =>
  count(report, 'passed') > 0 && count(report, 'failed') + count(report, 'not run') === 0 ? 0 : 1;
