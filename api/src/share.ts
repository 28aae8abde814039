import { DatabaseUnavailable, OutcomeUnknown, TurnTimeout } from './db-errors.ts';

/** How many calls are pending, and how many may be. Several shares can use one limit. */
export interface Limit {
  pending: number;
  max: number;
}

export const openLimit = (max = 2_000): Limit => ({ pending: 0, max });

/** `sharedBy` is how many calls the execution serves. It is set once the execution starts. */
export type Shared<Out> = Promise<Out> & { sharedBy?: number };

/** At least one item. */
type Batch<Item> = [Item, ...Item[]];

/** Which calls share an execution, and how many may run and wait. */
interface Options<In> {
  /** Calls with equal keys share executions. A call never waits for one with another key. */
  key: (input: In) => string;
  /** The most inputs that one execution gets. */
  maxBatch: number;
  /** How many executions of one key may run at once. Another starts only if the newest is slow. */
  maxInFlight: number;
  /** After this many milliseconds an execution is slow, and no longer holds up the next. */
  slowAfter: number;
  /** The longest that a call waits for its execution to start, in milliseconds. */
  maxWait: number;
  /** Bounds the calls of all keys. */
  limit: Limit;
  /** Called with the number of inputs when an execution starts. */
  onStart: (size: number) => void;
}

/** Without `key`, all calls have the same one. Without `limit`, the share has its own. */
export type ShareOptions<In> = Partial<Options<In>>;

const defaults = {
  key: () => '',
  maxBatch: 100,
  maxInFlight: 1,
  slowAfter: 100, // milliseconds
  maxWait: 1_000, // milliseconds
  onStart: () => {},
};

/**
 * Makes one execution serve many calls. Calls that arrive during an execution wait for the next one
 * and share it. `execute` gets their inputs in order of arrival and returns an output for each.
 *
 * A call never gets the result of an execution that started before the call arrived. So a request
 * sees everything committed before it, by any replica. A lone call is executed at once.
 *
 * Once an execution is slow, the next one may start beside it. At most `maxInFlight` run at once.
 * If that is 1, calls wait for the slow one.
 *
 * Rejects a call with DatabaseUnavailable if too many calls are pending, and with TurnTimeout if it
 * waited too long. In both cases nothing was applied for that call.
 */
export function share<In, Out>(
  execute: (inputs: Batch<In>) => Promise<Out[]>,
  options: ShareOptions<In> = {},
): (input: In) => Shared<Out> {
  const lanes = new Lanes(execute, { ...defaults, limit: openLimit(), ...options });
  return (input) => lanes.call(input);
}

interface Call<In, Out> {
  input: In;
  promise: Shared<Out>;
  arrivedAt: number;
  resolve: (output: Out) => void;
  reject: (error: unknown) => void;
}

/** The calls with one key. */
interface Lane<In, Out> {
  name: string;
  waiting: Call<In, Out>[];
  /** When each execution started, oldest first. */
  running: number[];
  isScheduled: boolean;
}

/** The calls and their executions. */
class Lanes<In, Out> {
  readonly #execute: (inputs: Batch<In>) => Promise<Out[]>;
  readonly #options: Options<In>;
  readonly #lanes = new Map<string, Lane<In, Out>>();
  #timer: NodeJS.Timeout | undefined; // one for all lanes; set only while a call waits

  constructor(execute: (inputs: Batch<In>) => Promise<Out[]>, options: Options<In>) {
    this.#execute = execute;
    this.#options = options;
  }

  call(input: In): Shared<Out> {
    const { key, limit } = this.#options;
    const { promise, resolve, reject } = Promise.withResolvers<Out>();
    if (limit.pending >= limit.max) {
      reject(new DatabaseUnavailable(`${limit.pending} calls are already waiting`));
      return promise;
    }
    limit.pending++;
    const lane = this.#laneOf(key(input));
    lane.waiting.push({ input, promise, arrivedAt: performance.now(), resolve, reject });
    this.#schedule(lane);
    return promise;
  }

  #laneOf(name: string): Lane<In, Out> {
    const known = this.#lanes.get(name);
    if (known) return known;
    const lane = { name, waiting: [], running: [], isScheduled: false };
    this.#lanes.set(name, lane);
    return lane;
  }

  #schedule(lane: Lane<In, Out>): void {
    if (lane.isScheduled) return;
    if (lane.waiting.length === 0) {
      if (lane.running.length === 0) this.#lanes.delete(lane.name);
    } else if (this.#mayStart(lane)) {
      lane.isScheduled = true;
      setImmediate(() => void this.#start(lane)); // once requests that arrived together are parsed
    } else if (!this.#timer) {
      this.#timer = setTimeout(() => this.#lookAtWaiting(), this.#options.slowAfter / 2).unref();
    }
  }

  #mayStart({ running }: Lane<In, Out>): boolean {
    const { maxInFlight, slowAfter } = this.#options;
    const newest = running.at(-1);
    if (newest === undefined) return true;
    return running.length < maxInFlight && newest <= performance.now() - slowAfter;
  }

  async #start(lane: Lane<In, Out>): Promise<void> {
    const { maxBatch, onStart, limit } = this.#options;
    lane.isScheduled = false;
    const [first, ...others] = lane.waiting.splice(0, maxBatch);
    if (!first) return this.#schedule(lane); // they timed out
    const calls: Batch<Call<In, Out>> = [first, ...others];
    const startedAt = performance.now();
    lane.running.push(startedAt);
    onStart(calls.length);
    for (const { promise } of calls) promise.sharedBy = calls.length;
    this.#schedule(lane); // the others wait for their turn
    await this.#settle(calls);
    limit.pending -= calls.length;
    lane.running.splice(lane.running.indexOf(startedAt), 1);
    this.#schedule(lane);
  }

  async #settle(calls: Batch<Call<In, Out>>): Promise<void> {
    const [first, ...others] = calls;
    try {
      const outputs = await this.#execute([first.input, ...others.map(({ input }) => input)]);
      calls.forEach((call, n) => call.resolve(outputs[n] as Out));
    } catch (error) {
      // If the database refused the statement, nothing was applied. Then run each input alone: one
      // bad input must not make the others fail.
      const isRefused = !(error instanceof DatabaseUnavailable || error instanceof OutcomeUnknown);
      if (isRefused && calls.length > 1) await this.#settleEach(calls);
      else for (const call of calls) call.reject(error);
    }
  }

  /**
   * Runs the calls one by one, so they use one connection at a time. None starts later than
   * `maxWait` from now.
   */
  async #settleEach(calls: Batch<Call<In, Out>>): Promise<void> {
    const latest = performance.now() + this.#options.maxWait;
    for (const call of calls) {
      if (performance.now() > latest) call.reject(this.#turnTimeout());
      else await this.#settle([call]);
    }
  }

  /** Rejects calls that waited too long, and starts those that a slow execution held up. */
  #lookAtWaiting(): void {
    this.#timer = undefined;
    const latest = performance.now() - this.#options.maxWait;
    for (const lane of this.#lanes.values()) {
      while (lane.waiting[0] && lane.waiting[0].arrivedAt <= latest) {
        lane.waiting.shift()?.reject(this.#turnTimeout());
        this.#options.limit.pending--;
      }
      this.#schedule(lane);
    }
  }

  #turnTimeout(): TurnTimeout {
    return new TurnTimeout(`waited ${this.#options.maxWait} ms for an execution to start`);
  }
}
