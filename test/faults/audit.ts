// A load that records each write before sending it, and what must be in the table afterwards.
import { Agent } from 'node:https';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'vitest';
import type { Answer, Production } from '../lib/production.ts';

/**
 * `ok`: 201, read in full; the row is there. `no`: refused (4xx, 502, 503); the row is not there.
 * `unknown`: anything else, or no answer; the row may be there, once.
 */
export type Outcome = 'ok' | 'no' | 'unknown';

export interface Attempt {
  title: string;
  /** Its Idempotency-Key, if it was sent with one. */
  key?: string;
  /** Undefined until something comes back. */
  outcome?: Outcome;
  /** The HTTP status, or what went wrong instead. */
  answer?: number | string;
  /** performance.now() */
  startedAt: number;
  endedAt: number;
}

export function classify(status: number): Outcome {
  if (status === 201) return 'ok';
  return status === 502 || status === 503 || (status >= 400 && status < 500) ? 'no' : 'unknown';
}

/** What is wrong with a table, by title; nothing if all is right. */
export interface Findings {
  /** Acknowledged and not there. */
  missing: string[];
  /** There more than once. */
  duplicated: string[];
  /** Refused but there. */
  refused: string[];
}

/** Compares what was answered with the titles that the table has. */
export function audit(attempts: Attempt[], titles: string[]): Findings {
  const counts = new Map<string, number>();
  for (const title of titles) counts.set(title, (counts.get(title) ?? 0) + 1);
  const titlesOf = (outcome: Outcome) =>
    attempts.filter((attempt) => attempt.outcome === outcome).map(({ title }) => title);
  return {
    missing: titlesOf('ok').filter((title) => !counts.has(title)),
    duplicated: [...counts].filter(([, count]) => count > 1).map(([title]) => title),
    refused: titlesOf('no').filter((title) => counts.has(title)),
  };
}

export const nothing: Findings = { missing: [], duplicated: [], refused: [] };

const writers = 16;
const writersWithoutKey = 4; // whose writes share statements
const readers = 2;

/** 16 writers and 2 readers through nginx. Each keeps a connection and waits for each answer. */
export class AuditedLoad {
  readonly writes: Attempt[] = [];
  readonly reads: Attempt[] = [];
  readonly #stack: Production;
  readonly #run = crypto.randomUUID().slice(0, 8);
  readonly #workers: Promise<void>[];
  #running = true;

  constructor(stack: Production) {
    this.#stack = stack;
    this.#workers = [
      ...Array.from({ length: writers }, (_, n) =>
        this.#work((agent) => this.#write(agent, n >= writersWithoutKey)),
      ),
      ...Array.from({ length: readers }, () => this.#work((agent) => this.#read(agent))),
    ];
  }

  get acknowledged(): number {
    return this.writes.filter(({ outcome }) => outcome === 'ok').length;
  }

  get attempts(): Attempt[] {
    return [...this.writes, ...this.reads];
  }

  /** How many requests were answered how, such as `12 × 503`. */
  get counts(): string[] {
    const answers = Object.groupBy(this.attempts, ({ answer }) => String(answer));
    return Object.entries(answers).map(([answer, attempts]) => `${attempts?.length} × ${answer}`);
  }

  /** The milliseconds that the slowest request took. */
  get slowest(): number {
    return Math.max(...this.attempts.map(({ startedAt, endedAt }) => endedAt - startedAt));
  }

  /** The longest time without an acknowledged write, in milliseconds. */
  get longestPause(): number {
    const times = this.writes
      .filter(({ outcome }) => outcome === 'ok')
      .map(({ endedAt }) => endedAt);
    const sorted = times.toSorted((a, b) => a - b);
    return Math.max(...sorted.slice(1).map((time, n) => time - (sorted[n] ?? time)));
  }

  /** Resolves when nothing is under way any more. */
  async stop(): Promise<void> {
    this.#running = false;
    await Promise.all(this.#workers);
  }

  /** The titles of this load in the table. */
  async stored(): Promise<string[]> {
    const titles = await this.#stack.sql(
      `SELECT title FROM tasks WHERE title LIKE 'audit ${this.#run} %'`,
    );
    return titles.split('\n').filter(Boolean);
  }

  /** Sends writes with a key again until their outcome is known. Returns those it sent. */
  async settle(): Promise<Attempt[]> {
    const unknown = this.writes.filter(
      ({ outcome, key }) => outcome === 'unknown' && key !== undefined,
    );
    const agent = new Agent({ keepAlive: true, maxSockets: writers });
    await Promise.all(
      unknown.map(async (attempt) => {
        let answer = await this.#post(agent, attempt);
        // A refusal settles nothing yet: the faulty part may only now be back.
        for (let left = 20; left > 0 && classify(answer.status) === 'no'; left--) {
          await sleep(500);
          answer = await this.#post(agent, attempt);
        }
        const { status, text } = answer;
        if (status !== 201)
          throw new Error(`${attempt.title} sent again was answered by ${status}: ${text}`);
      }),
    );
    agent.destroy();
    return unknown;
  }

  async #work(send: (agent: Agent) => Promise<Attempt>): Promise<void> {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    while (this.#running) {
      const { outcome } = await send(agent);
      if (outcome !== 'ok') await sleep(50); // as a polite client would
    }
    agent.destroy();
  }

  async #write(agent: Agent, withKey: boolean): Promise<Attempt> {
    const title = `audit ${this.#run} ${this.writes.length}`;
    const attempt: Attempt = {
      title,
      ...(withKey && { key: `key of ${title}`.replaceAll(' ', '-') }),
      startedAt: performance.now(),
      endedAt: NaN,
    };
    this.writes.push(attempt);
    return record(attempt, this.#post(agent, attempt), classify);
  }

  #read(agent: Agent): Promise<Attempt> {
    const attempt: Attempt = { title: '', startedAt: performance.now(), endedAt: NaN };
    this.reads.push(attempt);
    return record(attempt, this.#stack.https('/api/tasks?limit=5', { agent }), (status) =>
      status === 200 ? 'ok' : 'unknown',
    );
  }

  #post(agent: Agent, { title, key }: Attempt): Promise<Answer> {
    const headers = {
      'Content-Type': 'application/json',
      ...(key !== undefined && { 'Idempotency-Key': key }),
    };
    return this.#stack.https('/api/tasks', { agent, headers, body: JSON.stringify({ title }) });
  }
}

/**
 * Nothing is lost, there twice, or there though refused, and what is unknown can be settled.
 * Returns the figures.
 */
export async function expectNothingLost(load: AuditedLoad): Promise<string> {
  expect(audit(load.writes, await load.stored())).toEqual(nothing);
  const settled = await load.settle();
  const titles = await load.stored();
  expect(audit(load.writes, titles)).toEqual(nothing);
  const stored = new Set(titles);
  expect(settled.filter(({ title }) => !stored.has(title))).toEqual([]);
  const unknown = `${settled.length} unknown${settled.length > 0 ? ', all settled' : ''}`;
  return `${load.acknowledged.toLocaleString('en')} acknowledged, 0 lost; ${unknown}`;
}

async function record(
  attempt: Attempt,
  answer: Promise<Answer>,
  outcomeOf: (status: number) => Outcome,
): Promise<Attempt> {
  try {
    const { status } = await answer;
    attempt.answer = status;
    attempt.outcome = outcomeOf(status);
  } catch (error) {
    attempt.answer = error instanceof Error && 'code' in error ? String(error.code) : String(error);
    attempt.outcome = 'unknown';
  }
  attempt.endedAt = performance.now();
  return attempt;
}
