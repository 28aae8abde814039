import { DatabaseUnavailable, OutcomeUnknown, TurnTimeout } from './db-errors.ts';

/** How many calls may be pending. Several shares can use one limit. */
export interface Limit {
  pending: number;
  max: number;
}

export const openLimit = (max = 2_000): Limit => ({ pending: 0, max });

/** At least one. */
export type Batch<Item> = [Item, ...Item[]];

/** How much may run and wait. */
export interface ShareOptions<In> {
  /** Calls with equal keys share executions; others never wait for each other. Default: one key. */
  key?: (input: In) => string;
  /** Inputs of one execution at most. */
  maxBatch?: number;
  /** The most executions of one key at a time: one, plus slow ones. */
  maxInFlight?: number;
  /** Milliseconds after which an execution counts as slow and no longer holds up the next. */
  slowAfter?: number;
  /** Milliseconds that a call waits for its execution to start at most. */
  maxWait?: number;
  /** Bounds the calls of all keys. Default: a limit of its own. */
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
  /** In the order they started. */
  running: Execution[];
  isScheduled: boolean;
}

/**
 * Makes one execution serve many calls: calls that arrive while one runs wait and share the next.
 * `execute` gets their inputs in order of arrival and returns an output for each.
 *
 * A call never gets the result of an execution that started before the call arrived. So a request
 * sees everything committed before it, by any replica. A lone call is executed at once.
 *
 * A stalled execution holds up only its own calls: once it is slow, the next one starts beside it.
 *
 * Rejects with DatabaseUnavailable if too many calls are pending, and with TurnTimeout if a call
 * waited too long. In both cases nothing was executed for it.
 */
export function share<In, Out>(
  execute: (inputs: Batch<In>) => Promise<Out[]>,
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
  let timer: NodeJS.Timeout | undefined; // shared by all lanes; set only while a call waits

  return (input) =>
    new Promise((resolve, reject) => {
      if (limit.pending >= limit.max) {
        return reject(new DatabaseUnavailable(`${limit.pending} calls are already waiting`));
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
      setImmediate(() => void start(name, lane)); // once its neighbours are parsed too
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
    const [first, ...others] = lane.waiting.splice(0, maxBatch);
    if (!first) return schedule(name, lane); // refused meanwhile
    const calls: Batch<Call<In, Out>> = [first, ...others];
    const execution = { startedAt: performance.now() };
    lane.running.push(execution);
    onStart?.(calls.length);
    schedule(name, lane); // the rest waits for its turn
    await settle(calls);
    limit.pending -= calls.length;
    lane.running.splice(lane.running.indexOf(execution), 1);
    schedule(name, lane);
  }

  async function settle(calls: Batch<Call<In, Out>>): Promise<void> {
    const [first, ...others] = calls;
    try {
      const outputs = await execute([first.input, ...others.map(({ input }) => input)]);
      calls.forEach((call, n) => call.resolve(outputs[n] as Out));
    } catch (error) {
      // The database refused the statement, so nothing was applied. Run each input alone: one bad
      // input must not fail its neighbours.
      const refused = !(error instanceof DatabaseUnavailable || error instanceof OutcomeUnknown);
      if (refused && calls.length > 1) await settleEach(calls);
      else for (const call of calls) call.reject(error);
    }
  }

  /** One after another: they use one connection, and take no longer than a call may wait. */
  async function settleEach(calls: Call<In, Out>[]): Promise<void> {
    const latest = performance.now() + maxWait;
    for (const call of calls) {
      if (performance.now() > latest) call.reject(turnTimeout());
      else await settle([call]);
    }
  }

  /** Rejects calls that waited too long, and starts those that a slow execution held up. */
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
