// For tests that load a stack or change it while it works: requests at a fixed rate, and scripts.
import { spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { connect as tcpConnect, type LookupFunction, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect as tlsConnect } from 'node:tls';

export interface Server {
  url: string;
  /** Sent with each request. */
  headers?: Record<string, string>;
  /** The server's self-signed certificate, or that of its authority. Without one, no TLS. */
  ca?: Buffer;
  /** The name in that certificate; localhost unless given. */
  servername?: string;
  /** Of the host: a new connection tries one after the other, as most clients do. */
  addresses?: string[];
}

export interface Call {
  method: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  path: string;
  body?: object;
}

export interface Answer {
  status: number;
  head: string;
  text: string;
}

/**
 * One keep-alive connection, one request at a time. It uses the socket itself, because node:https
 * takes twice the CPU time, which the stack on the same machine needs under a heavy load.
 * It understands only answers with a Content-Length, which all of ours have.
 */
export class Connection {
  /** Whether it can carry another request. */
  isOpen = true;
  readonly #server: Server;
  readonly #socket: Socket;
  #pending: { resolve: (answer: Answer) => void; reject: (error: Error) => void } | undefined;
  #received = '';
  #error = new Error('closed without an answer');

  /** Requests can be sent at once: they wait for the connection. */
  constructor(server: Server) {
    this.#server = server;
    const { hostname, port, protocol } = new URL(server.url);
    const to = {
      host: hostname,
      port: Number(port) || (protocol === 'https:' ? 443 : 80),
      noDelay: true,
      ...(server.addresses && { lookup: lookupIn(server.addresses) }),
    };
    this.#socket = server.ca
      ? tlsConnect({ ...to, ca: server.ca, servername: server.servername ?? 'localhost' })
      : tcpConnect(to);
    this.#socket.setTimeout(
      20_000,
      () => this.#pending && this.#socket.destroy(new Error('no answer')),
    );
    this.#socket.on('data', (chunk: Buffer) => this.#read(chunk));
    this.#socket.on('error', (error) => (this.#error = error));
    this.#socket.on('end', () => (this.isOpen = false));
    this.#socket.on('close', () => {
      this.isOpen = false;
      this.#pending?.reject(this.#error);
    });
  }

  /** Resolves with the whole answer, rejects without one. */
  send({ method, path, body }: Call): Promise<Answer> {
    const text = body && JSON.stringify(body);
    const headers = {
      Host: 'localhost',
      ...this.#server.headers,
      ...(text !== undefined && {
        'Content-Type': 'application/json',
        'Content-Length': Buffer.byteLength(text),
      }),
    };
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    this.#pending = { resolve, reject };
    this.#socket.write(`${method} ${path} HTTP/1.1\r\n${lines.join('')}\r\n${text ?? ''}`);
    return promise;
  }

  close(): void {
    this.#socket.destroy();
  }

  #read(chunk: Buffer): void {
    this.#received += chunk.toString('latin1');
    const end = this.#received.indexOf('\r\n\r\n');
    if (end === -1) return;
    const head = this.#received.slice(0, end);
    const length = Number(/\ncontent-length: (\d+)/i.exec(head)?.[1]);
    if (Number.isNaN(length))
      return void this.#socket.destroy(new Error(`an answer without Content-Length: ${head}`));
    if (this.#received.length < end + 4 + length) return;
    if (/\nconnection: close/i.test(head)) this.isOpen = false;
    const text = Buffer.from(this.#received.slice(end + 4), 'latin1').toString();
    this.#received = '';
    this.#pending?.resolve({ status: Number(head.slice(9, 12)), head, text });
    this.#pending = undefined;
  }
}

/** Instead of DNS. It begins with another address each time, as DNS does. */
function lookupIn(addresses: string[]): LookupFunction {
  const start = randomInt(addresses.length);
  const rotated = [...addresses.slice(start), ...addresses.slice(0, start)];
  const found = rotated.map((address) => ({ address, family: 4 }));
  return (_host, _options, callback) => callback(null, found);
}

export interface LoadOptions extends Server {
  perSecond?: number;
  /** Open connections, used first. */
  connections?: Connection[];
  /**
   * The most requests under way. Others that are due are not sent but counted as `unsent`. Docker's
   * proxy for published ports runs out of file descriptors and dies at about 3,300 connections.
   */
  atOnce?: number;
  /**
   * A connection that has been idle for longer is not used again: a server that stops closes it at
   * any moment, even while a request is on its way. Ours keeps those that were busy within the last
   * second.
   */
  maxIdleMs?: number;
  /** The statuses that are no failure. */
  accepted?: number[];
  /** Also reads, changes and deletes single tasks. */
  isMixed?: boolean;
}

/**
 * An open loop: requests at a fixed rate, every fifth a POST, whether or not answers come. A file
 * in which none may fail is in `later` in vitest.config.ts: another file beside it can stop the
 * machine for seconds.
 */
export class Load {
  /** Requests with another answer than an accepted one, or with none. */
  readonly failures: string[] = [];
  /** The titles whose POST was answered with 201. */
  readonly acknowledged: string[] = [];
  /** How many answers had which status. */
  readonly answers: Record<number, number> = {};
  /** Milliseconds from sending to the end of the answer. */
  readonly times: number[] = [];
  sent = 0;
  unsent = 0;
  deleted = 0;
  readonly #options: Required<Omit<LoadOptions, keyof Server>> & Server;
  readonly #name = crypto.randomUUID().slice(0, 8);
  readonly #created: string[] = [];
  readonly #idle: { connection: Connection; since: number }[];
  readonly #pending = new Set<Promise<void>>();
  readonly #startedAt = performance.now();
  readonly #timer: NodeJS.Timeout;

  constructor(options: LoadOptions) {
    this.#options = {
      perSecond: 100,
      connections: [],
      atOnce: 1_000,
      maxIdleMs: 500,
      accepted: [200, 201],
      isMixed: false,
      ...options,
    };
    this.#idle = this.#options.connections.map((connection) => ({ connection, since: Infinity }));
    this.#timer = setInterval(() => this.#sendWhatIsDue(), 5);
  }

  get slowestMs(): number {
    return this.times.reduce((slowest, ms) => Math.max(slowest, ms), 0);
  }

  /** Resolves when all requests are answered. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    this.#sendWhatIsDue();
    await Promise.all(this.#pending);
    for (const { connection } of this.#idle) connection.close();
  }

  #sendWhatIsDue(): void {
    const due = ((performance.now() - this.#startedAt) / 1_000) * this.#options.perSecond;
    while (this.sent + this.unsent < due) {
      if (this.#pending.size >= this.#options.atOnce) {
        this.unsent++;
        continue;
      }
      const request = this.#send(this.sent++).finally(() => this.#pending.delete(request));
      this.#pending.add(request);
    }
  }

  #takeIdle(): Connection | undefined {
    for (;;) {
      const idle = this.#idle.pop();
      if (!idle) return undefined;
      const isFresh = performance.now() - idle.since <= this.#options.maxIdleMs;
      if (idle.connection.isOpen && isFresh) return idle.connection;
      idle.connection.close();
    }
  }

  async #send(n: number): Promise<void> {
    const startedAt = performance.now();
    const call = this.#call(n);
    const connection = this.#takeIdle() ?? new Connection(this.#options);
    const answer = await connection.send(call).catch((error: unknown) => String(error));
    const ms = performance.now() - startedAt;
    this.times.push(ms);
    if (connection.isOpen) this.#idle.push({ connection, since: performance.now() });

    const status = typeof answer === 'string' ? 0 : answer.status;
    if (typeof answer === 'string' || !this.#options.accepted.includes(status)) {
      const seen = typeof answer === 'string' ? answer : `${status} ${answer.text}`;
      this.failures.push(
        `request ${n} (${call.method} ${call.path}) after ${Math.round(ms)} ms: ${seen}`,
      );
      return;
    }
    this.answers[status] = (this.answers[status] ?? 0) + 1;
    if (status === 201) {
      this.acknowledged.push((call.body as { title: string }).title);
      if (this.#options.isMixed)
        this.#created.push(/\nlocation: (\S+)/i.exec(answer.head)?.[1] ?? '');
    } else if (status === 200 && call.method === 'DELETE') {
      this.deleted++;
    }
  }

  #call(n: number): Call {
    if (n % 5 === 0)
      return { method: 'POST', path: '/api/tasks', body: { title: `load ${this.#name} ${n}` } };
    if (this.#options.isMixed) {
      const seeded = `/api/tasks/${(n % 3) + 1}`;
      if (n % 10 === 1) return { method: 'PATCH', path: seeded, body: { status: `${n}` } };
      if (n % 10 === 2 && this.#created.length > 0)
        return { method: 'DELETE', path: this.#created.shift() ?? '' };
      if (n % 5 >= 3) return { method: 'GET', path: seeded };
    }
    return { method: 'GET', path: '/api/tasks?limit=5' };
  }
}

/** The time within which `percent` of these ended. */
export function percentile(times: number[], percent: number): number {
  const sorted = times.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor((sorted.length * percent) / 100))] ?? NaN;
}

export interface Ended {
  code: number | null;
  /** Standard output and standard error, in the order they came. */
  output: string;
}

/** A running command, in a process group of its own, as a terminal would start it. */
export class Command {
  output = '';
  readonly ended: Promise<Ended>;
  readonly #pid: number | undefined;

  constructor(cwd: string, env: NodeJS.ProcessEnv, command: string, ...args: string[]) {
    const child = spawn(command, args, {
      cwd,
      env: { ...process.env, ...env },
      detached: true,
    });
    this.#pid = child.pid;
    child.stdout.on('data', (chunk: Buffer) => (this.output += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (this.output += chunk.toString()));
    const { promise, resolve, reject } = Promise.withResolvers<Ended>();
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, output: this.output }));
    this.ended = promise;
    this.hangUp = () => {
      child.stdout.destroy();
      child.stderr.destroy();
      this.kill('SIGHUP');
    };
    this.input = (text) => child.stdin.end(text);
  }

  /** Ends its session, as a lost connection does: nobody reads its output any more. */
  readonly hangUp: () => void;

  /** Writes to its standard input. */
  readonly input: (text: string) => void;

  /** Resolves when its output has this text. */
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
    try {
      if (this.#pid !== undefined) process.kill(-this.#pid, signal);
    } catch {
      // it has ended
    }
  }

  /** Presses Ctrl-C until it ends, as somebody without patience does. */
  async pressCtrlC(): Promise<Ended> {
    const timer = setInterval(() => this.kill('SIGINT'), 200);
    return this.ended.finally(() => clearInterval(timer));
  }
}

/** A running script of scripts/, started from elsewhere. */
export class Script extends Command {
  constructor(directory: string, env: NodeJS.ProcessEnv, name: string, ...args: string[]) {
    super('/', env, `${directory}/scripts/${name}`, ...args);
  }
}
