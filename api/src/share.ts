import { type Batch, type LaneOptions, Lanes, type Limit } from './lanes.ts';

/** Without `key`, all calls share one. Without `limit`, no other share counts towards it. */
export type ShareOptions<In> = Partial<LaneOptions<In>>;

const defaults = {
  key: () => '',
  maxBatch: 100,
  maxInFlight: 1,
  slowAfter: 100, // milliseconds
  maxWait: 1_000, // milliseconds
  onStart: () => {},
};

/** Several shares can use one limit. */
export const openLimit = (max = 2_000): Limit => ({ pending: 0, max });

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
  options: ShareOptions<In> = {},
): (input: In) => Promise<Out> {
  const lanes = new Lanes(execute, { ...defaults, limit: openLimit(), ...options });
  return (input) => lanes.call(input);
}
