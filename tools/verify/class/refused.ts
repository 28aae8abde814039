/** A submission asks for what it may not have: no part of it runs. */
export class Refused extends Error {
  /** What it asks for, a sentence each. */
  readonly reasons: string[];

  constructor(reasons: string[]) {
    super(reasons.join('\n'));
    this.reasons = reasons;
  }
}
