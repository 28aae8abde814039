// Runs other programs, each with a time limit.
import { spawn } from 'node:child_process';
import type { Readable } from 'node:stream';
import { NotPossible } from './errors.ts';

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
  const end = (reason: string) => {
    if (child.pid !== undefined) killGroup(child.pid);
    const start = [command, ...args.slice(0, 3)].join(' ');
    reject(new NotPossible(`${start} … ${reason}`));
  };
  const stdout = collect(child.stdout, end);
  const stderr = collect(child.stderr, end);
  child.stdin.on('error', () => undefined); // it may end before it has read everything
  child.stdin.end(input);

  const timer = setTimeout(() => end(`did not end within ${limitMs / 1_000} s`), limitMs);
  child.on('error', (error: NodeJS.ErrnoException) => {
    const isMissing = error.code === 'ENOENT';
    reject(isMissing ? new NotPossible(`the command ${command} is not installed`) : error);
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
function killGroup(leader: number): void {
  try {
    process.kill(-leader, 'SIGKILL');
  } catch {
    // all of it has ended
  }
}

const maxBytes = 256 * 1024 * 1024; // of what a program prints

function collect(stream: Readable, end: (reason: string) => void): Buffer[] {
  const chunks: Buffer[] = [];
  let size = 0;
  stream.on('data', (chunk: Buffer) => {
    size += chunk.length;
    chunks.push(chunk);
    if (size <= maxBytes) return;
    stream.destroy();
    end(`printed more than ${maxBytes / 2 ** 20} MiB`);
  });
  return chunks;
}

/** The last line of what a program printed: usually the error itself. */
export const lastLine = (text: string): string => text.trim().split('\n').at(-1) ?? '';
