// What all submissions of a class share.
import type { DiskWatch } from './disk.ts';

export interface Stage {
  /** The environment of every program. */
  env: NodeJS.ProcessEnv;
  /** Ends everything that is under way, except for what takes submissions down. */
  signal: AbortSignal;
  /** The directory for copies. */
  work: string;
  /** The control group of builds. */
  parent: string;
  /** A trusted image with a shell. */
  helper: string;
  disk: DiskWatch;
  /** The images that submissions have pulled. */
  pulled: Set<string>;
  /** Runs one task at a time. */
  inTurn<T>(task: () => Promise<T>): Promise<T>;
  destructive: boolean;
  /** For all builds of a submission. */
  buildMs: number;
  diskBytes: number;
}

/** A function that runs its tasks one after another. */
export function turns(): Stage['inTurn'] {
  let last: Promise<unknown> = Promise.resolve();
  return (task) => {
    const mine = last.then(task);
    last = mine.catch(() => undefined);
    return mine;
  };
}
