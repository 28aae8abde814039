// For tests of scripts that change a stack while it works: requests at a fixed rate, the scripts, and a place to run them.
import { spawn } from 'node:child_process';
import { Agent as HttpAgent, request as httpRequest } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { setTimeout as sleep } from 'node:timers/promises';

export interface LoadOptions {
  url: string;
  /** Sent with each request. */
  headers?: Record<string, string>;
  /** The certificate of a server that has signed it itself, for the name localhost. */
  ca?: Buffer;
}

/** 100 requests per second, every fifth a POST, whether the answers come or not. */
export class Load {
  static readonly perSecond = 100;
  /** What was answered in another way than it should, or not at all. */
  readonly failures: string[] = [];
  /** The titles whose creation was answered by 201. */
  readonly acknowledged: string[] = [];
  slowestMs = 0;
  sent = 0;
  readonly #options: LoadOptions;
  readonly #name = crypto.randomUUID().slice(0, 8);
  readonly #agent: HttpAgent | HttpsAgent;
  readonly #pending = new Set<Promise<void>>();
  readonly #startedAt = performance.now();
  readonly #timer: NodeJS.Timeout;

  constructor(options: LoadOptions) {
    this.#options = options;
    this.#agent = options.ca ? new HttpsAgent({ keepAlive: true, ca: options.ca }) : new HttpAgent({ keepAlive: true });
    this.#timer = setInterval(() => this.#sendWhatIsDue(), 5);
  }

  /** Resolves when all requests are answered. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await Promise.all(this.#pending);
    this.#agent.destroy();
  }

  #sendWhatIsDue(): void {
    const due = ((performance.now() - this.#startedAt) / 1_000) * Load.perSecond;
    for (; this.sent < due; this.sent++) {
      const request = this.#send(this.sent).finally(() => this.#pending.delete(request));
      this.#pending.add(request);
    }
  }

  async #send(n: number): Promise<void> {
    const startedAt = performance.now();
    const title = n % 5 === 0 ? `load ${this.#name} ${n}` : undefined;
    const answer = await this.#answer(title).catch((error: unknown) => String(error));
    const ms = performance.now() - startedAt;
    this.slowestMs = Math.max(this.slowestMs, ms);
    if (answer !== (title === undefined ? 200 : 201)) {
      this.failures.push(`request ${n} (${title === undefined ? 'GET' : 'POST'}) after ${Math.round(ms)} ms: ${answer}`);
    } else if (title !== undefined) {
      this.acknowledged.push(title);
    }
  }

  #answer(title: string | undefined): Promise<number | undefined> {
    const { url, headers, ca } = this.#options;
    const { promise, resolve, reject } = Promise.withResolvers<number | undefined>();
    const options = {
      agent: this.#agent,
      method: title === undefined ? 'GET' : 'POST',
      headers: { ...headers, ...(title !== undefined && { 'Content-Type': 'application/json' }) },
      timeout: 20_000,
    };
    const target = new URL(title === undefined ? '/api/tasks?limit=5' : '/api/tasks', url);
    const request = ca ? httpsRequest(target, { ...options, servername: 'localhost' }) : httpRequest(target, options);
    request.on('response', (response) => {
      response.on('end', () => resolve(response.statusCode)).on('error', reject);
      response.resume();
    });
    request.on('timeout', () => request.destroy(new Error('no answer')));
    request.on('error', reject);
    request.end(title === undefined ? undefined : JSON.stringify({ title }));
    return promise;
  }
}

export interface Ended {
  code: number | null;
  /** Standard output and standard error, in the order they came. */
  output: string;
}

/** A running script of scripts/, in a process group of its own, as a terminal would start it. */
export class Script {
  output = '';
  readonly ended: Promise<Ended>;
  readonly #pid: number | undefined;

  constructor(directory: string, env: NodeJS.ProcessEnv, name: string, ...args: string[]) {
    const child = spawn(`${directory}/scripts/${name}`, args, { cwd: '/', env: { ...process.env, ...env }, detached: true });
    this.#pid = child.pid;
    child.stdout.on('data', (chunk: Buffer) => (this.output += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (this.output += chunk.toString()));
    const { promise, resolve, reject } = Promise.withResolvers<Ended>();
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, output: this.output }));
    this.ended = promise;
    this.input = (text) => child.stdin.end(text);
  }

  /** Writes to its standard input. */
  readonly input: (text: string) => void;

  /** Resolves when it has said this. */
  async says(text: string): Promise<void> {
    let hasEnded = false;
    void this.ended.then(() => (hasEnded = true));
    while (!this.output.includes(text)) {
      if (hasEnded) throw new Error(`it ended without saying "${text}":\n${this.output}`);
      await sleep(20);
    }
  }

  /** Sends a signal to the script and the commands it runs, like Ctrl-C does. */
  kill(signal: NodeJS.Signals): void {
    if (this.#pid !== undefined) process.kill(-this.#pid, signal);
  }
}
