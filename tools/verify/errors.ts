// The reasons why a check may end without a verdict.
import { say } from './texts.ts';

/** The project has nothing of the kind that the check looks at, and needs nothing of it. */
export class NotApplicable extends Error {}

/** A check that has failed keeps this one from looking. */
export class Blocked extends NotApplicable {
  /** The id of the check that has failed. */
  readonly by: string;

  constructor(by: string, message = say('shared.blocked-by', { check: by })) {
    super(message);
    this.by = by;
  }
}

/** The check could not look. The message says why. */
export class NotPossible extends Error {}

/** Nothing if the attempt succeeds; the reason as a fault if it throws NotPossible. */
export async function faultsOfAttempt(attempt: Promise<unknown>): Promise<string[]> {
  try {
    await attempt;
    return [];
  } catch (error) {
    if (error instanceof NotPossible) return [error.message];
    throw error;
  }
}
