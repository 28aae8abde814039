// Runs the checks one after another, each with a time limit.
import { setTimeout as sleep } from 'node:timers/promises';
import { type Check, groupOf } from './check.ts';
import { checks } from './checks/all.ts';
import { findByDirectory } from './containers.ts';
import { Blocked, NotApplicable, NotPossible } from './errors.ts';
import { patience } from './health-checks.ts';
import { startEnded } from './lifecycle.ts';
import type { Project } from './project.ts';
import { faultsOfLoss } from './table.ts';
import { withCause } from './causes.ts';
import { cleanUp } from './tasks.ts';
import { say } from './texts.ts';

/**
 * - passed, failed: verdicts.
 * - not run: the check could not look; the reason says why.
 * - skipped: the project has nothing of the kind, or the check needs --destructive, or a check
 *   that has failed is the reason why this one could not look.
 */
export type Outcome = 'passed' | 'failed' | 'not run' | 'skipped';

export interface Result {
  check: Check;
  outcome: Outcome;
  /** What is wrong; empty unless the check failed. */
  seen: string[];
  /** Why there is no verdict; empty if there is one. */
  reason: string;
  /** The failed check that keeps this one from a verdict. */
  blockedBy?: string;
  ms: number;
}

export interface Report {
  /** Group by group. */
  results: Result[];
  /** What the user should know apart from the results. */
  notes: string[];
  ms: number;
}

export interface Selection {
  /** Groups, or ids of checks; by default all. */
  only?: string[] | undefined;
  /** Also run the checks that stop and start containers. */
  destructive?: boolean;
  onStart?: (check: Check) => void;
  /** Ends the run: at once, or after the destructive check that is under way. */
  signal?: AbortSignal;
}

const limitMs = 25_000; // for one check
const harmlessMs = 55_000; // for all checks that are not destructive
const destructiveMs = 130_000; // after this and the waiting, no further destructive check starts

/**
 * Runs the chosen checks, destructive ones last, then deletes the tasks that they created.
 * Never throws because of a check.
 */
export async function verify(project: Project, selection: Selection = {}): Promise<Report> {
  const { only, onStart } = selection;
  const startedAt = performance.now();
  const chosen = checks.filter(
    (check) => only === undefined || only.includes(groupOf(check)) || only.includes(check.id),
  );
  const found = await findByDirectory(project);
  const run = new Run(project, selection, startedAt);
  const results = new Map<Check, Result>();
  for (const check of destructiveLast(chosen)) {
    onStart?.(check);
    results.set(check, await run.resultOf(check));
  }
  await run.end();
  const notes = [...found, ...(await cleanUp(project))];
  for (const close of project.atEnd) close();
  const all = [...results.values()];
  return {
    results: chosen.flatMap((check) => results.get(check) ?? []).map((one) => withCause(one, all)),
    notes,
    ms: Math.round(performance.now() - startedAt),
  };
}

function destructiveLast(list: Check[]): Check[] {
  const harmless = list.filter((check) => !check.destructive);
  const destructive = list.filter((check) => check.destructive);
  const first = destructive.filter((check) => check.first);
  const others = destructive.filter((check) => !check.first);
  return [...harmless, ...first, ...others];
}

class Run {
  readonly #project: Project;
  readonly #destructive: boolean;
  readonly #startedAt: number;
  readonly #signal: AbortSignal | undefined;
  readonly #interrupted: Promise<never>;
  readonly #left: Promise<void>[] = [];
  /** False once the application did not answer, and not because of a crash. */
  #answers = true;

  constructor(project: Project, { destructive = false, signal }: Selection, startedAt: number) {
    this.#project = project;
    this.#destructive = destructive;
    this.#startedAt = startedAt;
    this.#signal = signal;
    this.#interrupted = rejectsOn(signal);
  }

  async resultOf(check: Check): Promise<Result> {
    const from = performance.now();
    const { writes, unanswered } = this.#project;
    const ms = () => Math.round(performance.now() - from);
    const seen: string[] = [];
    const verdict = await this.#run(check, seen).then(
      () => verdictOn(seen),
      (error: unknown) => verdictOfError(error, seen),
    );
    const hasSent = this.#project.writes > writes;
    const mayHaveCrashed = this.#answers && this.#project.unanswered > unanswered;
    if (!check.destructive && (hasSent || mayHaveCrashed)) await this.#startEnded(mayHaveCrashed);
    const hasWritten = hasSent || check.destructive;
    const lost = hasWritten ? await faultsOfLoss(this.#project) : [];
    if (lost.length > 0) return { check, ...verdictOn([...verdict.seen, ...lost]), ms: ms() };
    return { check, ...verdict, ms: ms() };
  }

  /** Adds what the check finds wrong. Throws NotApplicable or NotPossible if it could not look. */
  async #run(check: Check, seen: string[]): Promise<void> {
    const elapsedMs = performance.now() - this.#startedAt;
    if (this.#signal?.aborted) throw new NotPossible(say('shared.interrupted'));
    if (check.destructive && !this.#destructive)
      throw new NotApplicable(say('shared.needs-destructive'));
    const totalMs = check.destructive ? await this.#destructiveMs() : harmlessMs;
    if (elapsedMs - this.#project.waitedMs > totalMs)
      throw new NotPossible(say('shared.no-time-left'));

    // A destructive check must finish, to start what it has stopped. Others may be left behind.
    if (check.destructive) return this.#collect(check, seen);
    if (check.waits) return this.#waitFor(check, seen);
    const end = this.#start(check, seen);
    const leftMs = totalMs + this.#project.waitedMs - elapsedMs;
    return this.#within(Math.min(limitMs, leftMs), end);
  }

  async #startEnded(mayHaveCrashed: boolean): Promise<void> {
    const from = performance.now();
    const answers = await startEnded(this.#project, mayHaveCrashed).catch(() => true);
    this.#answers &&= answers;
    this.#project.waitedMs += performance.now() - from;
  }

  /** An outage, a restart and `up` each wait for the health checks of the stack. */
  async #destructiveMs(): Promise<number> {
    const ownMs = await patience(this.#project).catch(() => 0);
    return destructiveMs + 6 * ownMs;
  }

  /** Runs a check that has the times of the stack as its limit. */
  async #waitFor(check: Check, seen: string[]): Promise<void> {
    const from = performance.now();
    const ownMs = await patience(this.#project);
    const end = this.#start(check, seen);
    try {
      await this.#within(limitMs + ownMs, end);
    } finally {
      this.#project.waitedMs += performance.now() - from;
    }
  }

  /** Starts a check that may be left behind without a verdict. */
  #start(check: Check, seen: string[]): Promise<void> {
    const end = this.#collect(check, seen);
    this.#left.push(end);
    return end;
  }

  async #collect(check: Check, seen: string[]): Promise<void> {
    for await (const fault of await check.run(this.#project)) seen.push(fault);
  }

  /** Waits for the checks that were left behind: they may still have something to put back. */
  async end(): Promise<void> {
    const all = Promise.allSettled(this.#left);
    await Promise.race([all, sleep(limitMs, undefined, { ref: false })]);
  }

  /** Waits for a check. Throws NotPossible after the limit, or when the run is interrupted. */
  #within(ms: number, end: Promise<void>): Promise<void> {
    const from = performance.now() - this.#project.waitedMs;
    const { promise: timeout, reject } = Promise.withResolvers<never>();
    const timer = setInterval(() => {
      if (performance.now() - this.#project.waitedMs - from < ms) return;
      const seconds = Math.round(ms / 1_000);
      reject(new NotPossible(say('shared.no-verdict-in-time', { seconds })));
    }, 100);
    return Promise.race([end, this.#interrupted, timeout]).finally(() => clearInterval(timer));
  }
}

function rejectsOn(signal: AbortSignal | undefined): Promise<never> {
  const { promise, reject } = Promise.withResolvers<never>();
  signal?.addEventListener('abort', () => reject(new NotPossible(say('shared.interrupted'))));
  promise.catch(() => undefined); // no check may be waiting for it
  return promise;
}

type Verdict = Pick<Result, 'outcome' | 'seen' | 'reason' | 'blockedBy'>;

const verdictOn = (seen: string[]): Verdict => ({
  outcome: seen.length > 0 ? 'failed' : 'passed',
  seen: [...seen], // a check that was left behind may still add to it
  reason: '',
});

/** What was seen wrong before the error counts: the check has failed. */
function verdictOfError(error: unknown, seen: string[]): Verdict {
  const hasNoVerdict = error instanceof NotApplicable || error instanceof NotPossible;
  if (hasNoVerdict && seen.length > 0) return verdictOn(seen);
  if (error instanceof Blocked)
    return { outcome: 'skipped', seen: [], reason: error.message, blockedBy: error.by };
  if (error instanceof NotApplicable)
    return { outcome: 'skipped', seen: [], reason: error.message };
  if (error instanceof NotPossible) return { outcome: 'not run', seen: [], reason: error.message };
  const message = error instanceof Error ? error.message : String(error);
  return { outcome: 'failed', seen: [...seen, message], reason: '' };
}

/** How many checks had this outcome. */
export const count = ({ results }: Report, outcome: Outcome): number =>
  results.filter((result) => result.outcome === outcome).length;

/** The points of the checks that passed, and of all checks that were not skipped. */
export function score({ results }: Report): { made: number; of: number } {
  const sum = (list: Result[]) => list.reduce((points, { check }) => points + check.points, 0);
  return {
    made: sum(results.filter(({ outcome }) => outcome === 'passed')),
    of: sum(results.filter(({ outcome }) => outcome !== 'skipped')),
  };
}

/** 0 if at least one check passed, and none failed or could not be run; otherwise 1. */
export function exitCode(report: Report): 0 | 1 {
  const bad = count(report, 'failed') + count(report, 'not run');
  return count(report, 'passed') > 0 && bad === 0 ? 0 : 1;
}
