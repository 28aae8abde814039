// Runs a program that a submission may make endless: in time, and in what it prints.
import { spawn } from 'node:child_process';
import type { Readable } from 'node:stream';

export interface Limited {
  cwd?: string;
  env?: NodeJS.ProcessEnv;
  input?: string;
  limitMs: number;
  /** Kills the program and its children. */
  signal?: AbortSignal | undefined;
  /** More of its standard output ends it as well; of standard error, only the end is kept. */
  maxBytes?: number;
}

export interface Outcome {
  /** True if it ended by itself, with exit code 0. */
  ok: boolean;
  stdout: string;
  /** The end of what it wrote to standard error. */
  stderr: string;
  /** Why it was ended; empty if it ended by itself. */
  ended: string;
}

const tailBytes = 64 * 1024;

/** Runs a program. Never throws: what went wrong is in the outcome. */
export function run(
  command: string,
  args: string[],
  { limitMs, signal, input = '', maxBytes = 8 * 1024 * 1024, ...options }: Limited,
): Promise<Outcome> {
  const { promise, resolve } = Promise.withResolvers<Outcome>();
  if (signal?.aborted) return Promise.resolve(notStarted(signal));
  // In a process group of its own: Ctrl-C does not reach it, and a kill reaches its children.
  const child = spawn(command, args, { ...options, detached: true });
  let ended = '';
  const end = (reason: string) => {
    ended ||= reason;
    if (child.pid !== undefined) kill(child.pid);
  };
  const timer = setTimeout(() => end(`not done within ${limitMs / 1_000} s`), limitMs);
  const onAbort = () => end(reasonOf(signal));
  signal?.addEventListener('abort', onAbort);

  const stdout = head(child.stdout, maxBytes, () => end('it printed too much'));
  const stderr = tail(child.stderr);
  child.stdin.on('error', () => undefined); // it may end before it has read everything
  child.stdin.end(input);
  child.on('error', (error) => {
    ended ||= error.message;
  });
  child.on('close', (code) => {
    clearTimeout(timer);
    signal?.removeEventListener('abort', onAbort);
    resolve({ ok: code === 0 && ended === '', stdout: stdout(), stderr: stderr(), ended });
  });
  return promise;
}

const reasonOf = (signal: AbortSignal | undefined): string =>
  signal?.reason instanceof Error ? signal.reason.message : 'interrupted';

const notStarted = (signal: AbortSignal): Outcome => ({
  ok: false,
  stdout: '',
  stderr: '',
  ended: reasonOf(signal),
});

function kill(group: number): void {
  try {
    process.kill(-group, 'SIGKILL');
  } catch {
    // it has just ended
  }
}

/** Collects a stream up to a size. Returns a function that gives the text. */
function head(stream: Readable, maxBytes: number, onMore: () => void): () => string {
  const chunks: Buffer[] = [];
  let size = 0;
  stream.on('data', (chunk: Buffer) => {
    size += chunk.length;
    if (size <= maxBytes) chunks.push(chunk);
    else onMore();
  });
  return () => Buffer.concat(chunks).toString();
}

/** Collects the end of a stream. Returns a function that gives the text. */
function tail(stream: Readable): () => string {
  let kept = Buffer.alloc(0);
  stream.on('data', (chunk: Buffer) => {
    kept = Buffer.concat([kept, chunk]).subarray(-tailBytes);
  });
  return () => kept.toString().trim();
}

/** What went wrong, in a few lines: why it was ended, or the end of what it printed. */
export function failureOf({ ended, stderr, stdout }: Outcome, lines = 5): string {
  if (ended !== '') return ended;
  const printed = (stderr || stdout).trim().split('\n');
  return printed.slice(-lines).join('\n');
}
