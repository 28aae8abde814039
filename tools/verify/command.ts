// Other programs, each with a limit of time.
import { spawn } from 'node:child_process';
import { NotPossible } from './check.ts';

export interface Ended {
  code: number;
  stdout: Buffer;
  stderr: string;
}

export interface CommandOptions {
  cwd?: string;
  env?: NodeJS.ProcessEnv;
  input?: Buffer | string;
  /** Then the program and its children are killed. */
  limitMs?: number;
}

/** Resolves when the program has ended, whatever its exit code. Throws NotPossible where it is not installed or not done in time. */
export async function run(
  command: string,
  args: string[],
  { input, limitMs = 20_000, ...options }: CommandOptions = {},
): Promise<Ended> {
  // In a process group of its own: the limit then ends its children, too, and a Ctrl-C does not end the command that puts the stack back.
  const child = spawn(command, args, { ...options, detached: true });
  const stdout: Buffer[] = [];
  const stderr: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk));
  child.stdin.on('error', () => undefined); // it may end before it has read all
  child.stdin.end(input);

  const { promise, resolve, reject } = Promise.withResolvers<Ended>();
  const timer = setTimeout(() => {
    if (child.pid !== undefined && child.exitCode === null) process.kill(-child.pid, 'SIGKILL');
    reject(
      new NotPossible(
        `${[command, ...args.slice(0, 3)].join(' ')} … has not ended within ${limitMs / 1_000} s`,
      ),
    );
  }, limitMs);
  child.on('error', (error: NodeJS.ErrnoException) => {
    reject(
      error.code === 'ENOENT' ? new NotPossible(`the command ${command} is not installed`) : error,
    );
  });
  child.on('close', (code) =>
    resolve({
      code: code ?? 1,
      stdout: Buffer.concat(stdout),
      stderr: Buffer.concat(stderr).toString().trim(),
    }),
  );
  return promise.finally(() => clearTimeout(timer));
}

/** The last line of what a program has complained about. */
export const lastLine = (text: string): string => text.trim().split('\n').at(-1) ?? '';
