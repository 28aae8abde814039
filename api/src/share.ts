import { DatabaseUnavailable, OutcomeUnknown, TurnTimeout } from './db-errors.ts';

/** How many calls may be without an answer. Several shares can count in one limit. */
export interface Limit {
  pending: number;
  max: number;
}

export const openLimit = (max = 2_000): Limit => ({ pending: 0, max });

/** How much may run and wait. */
export interface ShareOptions<In> {
  /** Calls with equal keys share executions; others never wait for each other. Default: one key. */
  key?: (input: In) => string;
  /** Inputs of one execution at most. */
  maxBatch?: number;
  /** Executions of one key under way at most: one, and those that are slow. */
  maxInFlight?: number;
  /** Milliseconds after which an execution is slow: it no longer holds up the next one. */
  slowAfter?: number;
  /** Milliseconds that a call waits for its execution to start at most. */
  maxWait?: number;
  /** Bounds the calls of all keys; a limit of its own unless given. */
  limit?: Limit;
  /** Called with the number of inputs when an execution starts. */
  onStart?: (size: number) => void;
}

interface Call<In, Out> {
  input: In;
  arrivedAt: number;
  resolve: (output: Out) => void;
  reject: (error: unknown) => void;
}

interface Execution {
  startedAt: number;
}

interface Lane<In, Out> {
  waiting: Call<In, Out>[];
  /** Under way, in the order they started. */
  running: Execution[];
  isScheduled: boolean;
}

/**
 * Makes one execution serve many calls: those that arrive while an execution runs wait, and share
 * the next one. `execute` gets their inputs in the order of arrival and returns an output for each.
 *
 * A call is never given the result of an execution that started before the call arrived. So what
 * was committed before a request came in is visible to it, whichever replica committed it. A call
 * that is alone is executed at once.
 *
 * An execution that has stalled holds up nobody but its own calls: once it is slow, the next one
 * starts beside it.
 *
 * When too many calls are pending, rejects with DatabaseUnavailable; when one has waited too long,
 * with TurnTimeout. Nothing was executed for it then.
 */
export function share<In, Out>(
  execute: (inputs: In[]) => Promise<Out[]>,
  {
    key = () => '',
    maxBatch = 100,
    maxInFlight = 1,
    slowAfter = 100,
    maxWait = 1_000,
    limit = openLimit(),
    onStart,
  }: ShareOptions<In> = {},
): (input: In) => Promise<Out> {
  const lanes = new Map<string, Lane<In, Out>>();
  let timer: NodeJS.Timeout | undefined; // one for all lanes, set only while a call waits

  return (input) =>
    new Promise((resolve, reject) => {
      if (limit.pending >= limit.max) {
        return reject(new DatabaseUnavailable(`${limit.pending} calls wait already`));
      }
      const name = key(input);
      let lane = lanes.get(name);
      if (!lane) lanes.set(name, (lane = { waiting: [], running: [], isScheduled: false }));
      lane.waiting.push({ input, arrivedAt: performance.now(), resolve, reject });
      limit.pending++;
      schedule(name, lane);
    });

  function schedule(name: string, lane: Lane<In, Out>): void {
    if (lane.isScheduled) return;
    if (lane.waiting.length === 0) {
      if (lane.running.length === 0) lanes.delete(name);
    } else if (mayStart(lane)) {
      lane.isScheduled = true;
      setImmediate(() => void start(name, lane)); // after parsing all requests that arrived with it
    } else {
      timer ??= setTimeout(lookAtWaiting, slowAfter / 2).unref();
    }
  }

  function mayStart({ running }: Lane<In, Out>): boolean {
    const newest = running.at(-1);
    if (!newest) return true;
    return running.length < maxInFlight && newest.startedAt <= performance.now() - slowAfter;
  }

  async function start(name: string, lane: Lane<In, Out>): Promise<void> {
    lane.isScheduled = false;
    const calls = lane.waiting.splice(0, maxBatch);
    if (calls.length === 0) return schedule(name, lane); // refused meanwhile
    const execution = { startedAt: performance.now() };
    lane.running.push(execution);
    onStart?.(calls.length);
    schedule(name, lane); // what is left over waits for its turn
    await settle(calls);
    limit.pending -= calls.length;
    lane.running.splice(lane.running.indexOf(execution), 1);
    schedule(name, lane);
  }

  async function settle(calls: Call<In, Out>[]): Promise<void> {
    try {
      const outputs = await execute(calls.map((call) => call.input));
      calls.forEach((call, n) => call.resolve(outputs[n] as Out));
    } catch (error) {
      // The database has refused the statement, so nothing of it was applied: one bad input must
      // not fail its neighbours.
      const refused = !(error instanceof DatabaseUnavailable || error instanceof OutcomeUnknown);
      if (refused && calls.length > 1) await settleEach(calls);
      else for (const call of calls) call.reject(error);
    }
  }

  /** One after the other, so that they hold one connection, and no longer than a call may wait. */
  async function settleEach(calls: Call<In, Out>[]): Promise<void> {
    const latest = performance.now() + maxWait;
    for (const call of calls) {
      if (performance.now() > latest) call.reject(turnTimeout());
      else await settle([call]);
    }
  }

  /** Refuses what has waited too long, and starts what a slow execution has held up. */
  function lookAtWaiting(): void {
    timer = undefined;
    const latest = performance.now() - maxWait;
    for (const [name, lane] of lanes) {
      while (lane.waiting[0] && lane.waiting[0].arrivedAt <= latest) {
        lane.waiting.shift()?.reject(turnTimeout());
        limit.pending--;
      }
      schedule(name, lane);
    }
  }

  function turnTimeout(): TurnTimeout {
    return new TurnTimeout(`waited ${maxWait} ms for an execution to start`);
  }
}
