// The Docker command as the class mode calls it, in one place: with which environment, until when.
import { type Limited, type Outcome, run } from './command.ts';

export type Docker = (args: string[], more?: Partial<Limited>) => Promise<Outcome>;

/** `docker …`, each call within 30 s unless it says otherwise. */
export const dockerIn =
  (env: NodeJS.ProcessEnv, signal?: AbortSignal): Docker =>
  (args, more = {}) =>
    run('docker', args, { env, signal, limitMs: 30_000, ...more });

/** The lines that a command printed. */
export const linesOf = ({ stdout }: Outcome): string[] => stdout.split('\n').filter(Boolean);

/** Options such as --name=value, without those that are undefined. */
export const flags = (options: Record<string, string | number | undefined>): string[] =>
  Object.entries(options).flatMap(([name, value]) =>
    value === undefined ? [] : [`--${name}=${value}`],
  );
