// Runs other programs, each with a time limit.
import { spawn } from 'node:child_process';
import type { Readable } from 'node:stream';
import { NotPossible } from './errors.ts';
import { say } from './texts.ts';

/** How a program ended. */
export interface Ended {
  /** The exit code; 1 if a signal ended it. */
  code: number;
  stdout: Buffer;
  stderr: string;
}

export interface CommandOptions {
  cwd?: string;
  env?: NodeJS.ProcessEnv;
  input?: Buffer | string;
  /** Milliseconds after which the program and its children are killed. */
  limitMs?: number;
}

/**
 * Resolves when the program has ended, whatever its exit code.
 * Throws NotPossible if it is not installed, or does not end in time.
 */
export async function execute(
  command: string,
  args: string[],
  { input, limitMs = 20_000, ...options }: CommandOptions = {},
): Promise<Ended> {
  // In its own process group: the limit then kills its children too,
  // and Ctrl-C does not kill the command that restores the stack.
  const child = spawn(command, args, { ...options, detached: true });
  const { promise, resolve, reject } = Promise.withResolvers<Ended>();
  const start = [command, ...args.slice(0, 3)].join(' ');
  const end = (reason: string) => {
    if (child.pid !== undefined) killGroup(child.pid);
    reject(new NotPossible(reason));
  };
  const endForOutput = (size: number) =>
    end(say('shared.printed-too-much', { command: start, size }));
  const stdout = collect(child.stdout, endForOutput);
  const stderr = collect(child.stderr, endForOutput);
  child.stdin.on('error', () => undefined); // it may end before it has read everything
  child.stdin.end(input);

  const endForTime = () => {
    end(say('shared.not-ended-in-time', { command: start, seconds: limitMs / 1_000 }));
  };
  const timer = setTimeout(endForTime, limitMs);
  child.on('error', (error: NodeJS.ErrnoException) => {
    const isMissing = error.code === 'ENOENT';
    reject(isMissing ? new NotPossible(say('shared.not-installed', { command })) : error);
  });
  child.on('close', (code) => {
    resolve({
      code: code ?? 1,
      stdout: Buffer.concat(stdout),
      stderr: Buffer.concat(stderr).toString().trim(),
    });
  });
  return promise.finally(() => clearTimeout(timer));
}

/** Kills what is left of a process group: the program itself may have ended before its children. */
export function killGroup(leader: number): void {
  try {
    process.kill(-leader, 'SIGKILL');
  } catch {
    // all of it has ended
  }
}

/** How much a program may print. */
export const maxMiB = 256;

function collect(stream: Readable, endFor: (size: number) => void): Buffer[] {
  const chunks: Buffer[] = [];
  let size = 0;
  stream.on('data', (chunk: Buffer) => {
    size += chunk.length;
    chunks.push(chunk);
    if (size <= maxMiB * 2 ** 20) return;
    stream.destroy();
    endFor(maxMiB);
  });
  return chunks;
}

/** The last line of what a program printed: usually the error itself. */
export const lastLine = (text: string): string => text.trim().split('\n').at(-1) ?? '';
