// The two reasons why a check may end without a verdict.

/** The project has nothing of the kind that the check looks at, and needs nothing of it. */
export class NotApplicable extends Error {}

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
