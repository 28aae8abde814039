import { DatabaseUnavailable, OutcomeUnknown } from './db-errors.ts';

/** How much may run and wait. */
export interface ShareOptions<In> {
  /** Calls with equal keys share executions; calls with different keys never wait for each other. One key unless given. */
  key?: (input: In) => string;
  /** Inputs of one execution at most. */
  maxBatch?: number;
  /** Executions of one key under way at most. */
  maxInFlight?: number;
  /** Calls of all keys that are not answered yet at most; one more is refused. */
  maxPending?: number;
  /** Milliseconds that a call waits for its execution to start at most. */
  maxWait?: number;
  /** Called with the number of inputs when an execution starts. */
  onStart?: (size: number) => void;
}

interface Call<In, Out> {
  input: In;
  arrivedAt: number;
  resolve: (output: Out) => void;
  reject: (error: unknown) => void;
}

interface Lane<In, Out> {
  waiting: Call<In, Out>[];
  inFlight: number;
  isScheduled: boolean;
}

/**
 * Makes one execution serve many calls: those that arrive while an execution runs wait, and share the next one. `execute` gets
 * their inputs in the order of arrival and returns an output for each.
 *
 * A call is never given the result of an execution that started before the call arrived. So what was committed before a
 * request came in is visible to it, whichever replica committed it. A call that is alone is executed at once.
 *
 * Rejects with DatabaseUnavailable, nothing executed, when too many calls are pending or one has waited too long.
 */
export function share<In, Out>(
  execute: (inputs: In[]) => Promise<Out[]>,
  { key = () => '', maxBatch = 100, maxInFlight = 1, maxPending = 2_000, maxWait = 1_000, onStart }: ShareOptions<In> = {},
): (input: In) => Promise<Out> {
  const lanes = new Map<string, Lane<In, Out>>();
  let pending = 0;
  let timer: NodeJS.Timeout | undefined;

  return (input) =>
    new Promise((resolve, reject) => {
      if (pending >= maxPending) return reject(new DatabaseUnavailable(`${pending} calls wait already`));
      const name = key(input);
      let lane = lanes.get(name);
      if (!lane) lanes.set(name, (lane = { waiting: [], inFlight: 0, isScheduled: false }));
      lane.waiting.push({ input, arrivedAt: performance.now(), resolve, reject });
      pending++;
      schedule(name, lane);
    });

  function schedule(name: string, lane: Lane<In, Out>): void {
    if (lane.waiting.length === 0 && lane.inFlight === 0) lanes.delete(name);
    if (lane.waiting.length === 0 || lane.isScheduled) return;
    if (lane.inFlight >= maxInFlight) {
      timer ??= setTimeout(refuseLate, maxWait).unref();
      return;
    }
    lane.isScheduled = true;
    setImmediate(() => void start(name, lane)); // after all requests that have arrived with this one are parsed
  }

  async function start(name: string, lane: Lane<In, Out>): Promise<void> {
    lane.isScheduled = false;
    const calls = lane.waiting.splice(0, maxBatch);
    if (calls.length === 0) return schedule(name, lane); // refused meanwhile
    lane.inFlight++;
    onStart?.(calls.length);
    schedule(name, lane); // what is left over, if another execution may run beside
    await settle(calls);
    pending -= calls.length;
    lane.inFlight--;
    schedule(name, lane);
  }

  async function settle(calls: Call<In, Out>[]): Promise<void> {
    try {
      const outputs = await execute(calls.map((call) => call.input));
      calls.forEach((call, n) => call.resolve(outputs[n] as Out));
    } catch (error) {
      // The database has refused the statement, so nothing of it was applied: one bad input must not fail its neighbours.
      const refused = !(error instanceof DatabaseUnavailable || error instanceof OutcomeUnknown);
      if (refused && calls.length > 1) await Promise.all(calls.map((call) => settle([call])));
      else for (const call of calls) call.reject(error);
    }
  }

  function refuseLate(): void {
    timer = undefined;
    const latest = performance.now() - maxWait;
    let oldest = Infinity;
    for (const lane of lanes.values()) {
      while (lane.waiting[0] && lane.waiting[0].arrivedAt <= latest) {
        lane.waiting.shift()?.reject(new DatabaseUnavailable(`waited ${maxWait} ms for an execution to start`));
        pending--;
      }
      oldest = Math.min(oldest, lane.waiting[0]?.arrivedAt ?? Infinity);
    }
    if (oldest < Infinity) timer = setTimeout(refuseLate, oldest - latest).unref();
  }
}
