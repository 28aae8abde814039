// Where the page is served: by the booted stack, or by `npm start` where there is no engine.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { inject } from 'vitest';
import { freePort } from '../../local/embedded.ts';
import { copyForAll, root } from '../lib/copy.ts';
import { Production } from '../lib/production.ts';
import { Stack } from '../lib/stack.ts';

export type Tier = 'web' | 'api' | 'db';

export interface Site {
  url: string;
  /** The compose project; undefined where it is `npm start`. */
  stack?: Stack;
  /** What the API asks for; undefined where it asks for none. */
  token?: string;
  /** Resolves when the tier is away. Without a stack there is one that can be: the API. */
  stop: (tier: Tier) => Promise<void>;
  /** Resolves when the tier was started, not when it answers. */
  start: (tier: Tier) => Promise<void>;
  close: () => Promise<void>;
}

/** The base stack: one API, without a token. */
export async function openSite(): Promise<Site> {
  if (inject('notRunBecause')) return openNpmStart();
  const port = String(await freePort()); // one that stays when web is started again
  const stack = new Stack({ env: { HTTP_PORT: port } });
  await stack.up();
  return { url: `http://127.0.0.1:${port}`, ...tiersOf(stack), close: () => stack.destroy() };
}

/** The production stack: TLS, a token, two APIs. */
export async function openSiteWithToken(): Promise<Site> {
  const token = 'a-token-of-sixteen-or-more-characters';
  if (inject('notRunBecause')) return { ...(await openNpmStart({ API_TOKEN: token })), token };
  const stack = new Production();
  await stack.up();
  const url = `https://localhost:${await stack.port(443)}`;
  return { url, token: stack.token, ...tiersOf(stack), close: () => stack.remove() };
}

function tiersOf(stack: Stack): Pick<Site, 'stack' | 'stop' | 'start'> {
  return {
    stack,
    // Killed, because the API takes 9 s to end gracefully.
    stop: async (tier) => void (await stack.compose(tier === 'api' ? 'kill' : 'stop', tier)),
    start: async (tier) => void (await stack.compose('start', tier)),
  };
}

/** `npm start` in a copy of the repository, with data of its own. */
async function openNpmStart(env: Record<string, string> = {}): Promise<Site> {
  const directory = copyForAll();
  symlinkSync(join(root, 'node_modules'), join(directory, 'node_modules'));
  const port = String(await freePort());
  let child: ChildProcess;
  const start = async () => {
    child = spawn(process.execPath, ['local/start.ts'], {
      cwd: directory,
      env: { ...process.env, ...env, PORT: port },
      stdio: 'pipe',
    });
    let output = '';
    child.stderr?.on('data', (chunk: Buffer) => (output += chunk.toString()));
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    child.stdout?.on('data', (chunk: Buffer) => String(chunk).includes('ready on') && resolve());
    child.once('close', () => reject(new Error(`npm start ended: ${output}`)));
    await promise;
  };
  const stop = async () => {
    const ended = once(child, 'close');
    child.kill('SIGINT');
    await ended;
  };
  await start();
  const close = async () => {
    await stop();
    rmSync(directory, { recursive: true });
  };
  return { url: `http://127.0.0.1:${port}`, start, stop, close };
}
