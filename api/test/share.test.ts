// The rules of sharing, on executions that the test controls.
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { DatabaseUnavailable, OutcomeUnknown, TurnTimeout } from '../src/db-errors.ts';
import { openLimit, share, type ShareOptions } from '../src/share.ts';

interface Execution {
  inputs: string[];
  finish: () => void;
  fail: (error: Error) => void;
}

/** A shared call that answers `<input> by <execution>` once the test ends that execution. */
function controlled(options?: ShareOptions<string>) {
  const executions: Execution[] = [];
  const call = share<string, string>((inputs) => {
    const n = executions.length;
    return new Promise((resolve, reject) => {
      executions.push({
        inputs,
        finish: () => resolve(inputs.map((input) => `${input} by ${n}`)),
        fail: reject,
      });
    });
  }, options);
  const started = async (count: number) => {
    await expect.poll(() => executions.length, { interval: 1 }).toBe(count);
  };
  return { call, executions, started };
}

describe('share', () => {
  it('executes a call that is alone at once', async () => {
    const { call, executions, started } = controlled();
    const answer = call('a');
    await started(1);
    executions[0]?.finish();
    expect(await answer).toBe('a by 0');
  });

  it('gives calls that arrive during an execution to the next, in order of arrival', async () => {
    const { call, executions, started } = controlled();
    const first = call('a');
    await started(1);
    const others = ['b', 'c', 'd'].map(call);
    await sleep(10);
    expect(executions).toHaveLength(1);
    executions[0]?.finish();
    await started(2);
    expect(executions[1]?.inputs).toEqual(['b', 'c', 'd']);
    executions[1]?.finish();
    expect(await Promise.all([first, ...others])).toEqual(['a by 0', 'b by 1', 'c by 1', 'd by 1']);
    expect([first, ...others].map(({ sharedBy }) => sharedBy)).toEqual([1, 3, 3, 3]);
  });

  it('never answers a call with an execution that started before it arrived', async () => {
    let committed = 0;
    const read = share<string, number>(async (inputs) => {
      const seen = committed; // a query sees what was committed when it started
      await sleep(Math.random() * 3);
      return inputs.map(() => seen);
    });
    const stale: [number, number][] = [];
    await Promise.all(
      Array.from({ length: 20 }, async () => {
        for (let n = 0; n < 50; n++) {
          const before = ++committed; // acknowledged before the read arrives
          const seen = await read('x');
          if (seen < before) stale.push([seen, before]);
          if (n % 7 === 0) await sleep(Math.random() * 2);
        }
      }),
    );
    expect(stale).toEqual([]);
  });

  it('lets calls with different keys neither wait for each other nor share', async () => {
    const { call, executions, started } = controlled({ key: (input) => input });
    const answers = ['a', 'b', 'a'].map(call);
    await started(2);
    executions[1]?.finish();
    expect(await answers[1]).toBe('b by 1');
    executions[0]?.finish();
    expect(await answers[2]).toBe('a by 0');
  });

  it('splits what is more than a batch, one after the other', async () => {
    const { call, executions, started } = controlled({ maxBatch: 2 });
    const answers = ['a', 'b', 'c', 'd', 'e'].map(call);
    for (const n of [0, 1, 2]) {
      await started(n + 1);
      await sleep(10);
      expect(executions).toHaveLength(n + 1);
      executions[n]?.finish();
    }
    expect(await Promise.all(answers)).toEqual(['a by 0', 'b by 0', 'c by 1', 'd by 1', 'e by 2']);
  });

  it('starts the next execution beside one that is slow, and no more than it may', async () => {
    const { call, executions, started } = controlled({ slowAfter: 200, maxInFlight: 3 });
    const start = performance.now();
    const stalled = call('a');
    await started(1);
    const second = call('b');
    await sleep(30);
    expect(executions).toHaveLength(1); // not slow yet
    const together = call('c');
    await started(2);
    expect(performance.now() - start).toBeGreaterThan(195);
    expect(executions[1]?.inputs).toEqual(['b', 'c']);
    const third = call('d');
    await started(3); // the second is slow as well
    const late = call('e');
    await sleep(400);
    expect(executions).toHaveLength(3);
    executions[1]?.finish();
    expect(await Promise.all([second, together])).toEqual(['b by 1', 'c by 1']);
    await started(4);
    for (const n of [0, 2, 3]) executions[n]?.finish();
    expect(await Promise.all([stalled, third, late])).toEqual(['a by 0', 'd by 2', 'e by 3']);
  });

  it('starts one at a time again when only slow ones are left', async () => {
    const { call, executions, started } = controlled({ slowAfter: 200, maxInFlight: 3 });
    const stalled = call('a');
    await started(1);
    const second = call('b');
    await started(2);
    executions[1]?.finish();
    await second;
    const third = call('c');
    await started(3); // at once: the one that is left is slow
    const fourth = call('d');
    await sleep(20);
    expect(executions).toHaveLength(3);
    executions[2]?.finish();
    await started(4);
    for (const n of [0, 3]) executions[n]?.finish();
    expect(await Promise.all([stalled, third, fourth])).toEqual(['a by 0', 'c by 2', 'd by 3']);
  });

  it('keeps to one at a time, in the order of arrival, where it may not run two', async () => {
    const { call, executions, started } = controlled({ slowAfter: 20, maxBatch: 1 });
    const answers = ['a', 'b', 'c'].map(call);
    await started(1);
    await sleep(150);
    expect(executions).toHaveLength(1);
    for (const n of [0, 1, 2]) {
      await started(n + 1);
      executions[n]?.finish();
    }
    expect(await Promise.all(answers)).toEqual(['a by 0', 'b by 1', 'c by 2']);
  });

  it('refuses a call when too many are pending, and takes it again afterwards', async () => {
    const { call, executions, started } = controlled({ limit: openLimit(3) });
    const first = call('a');
    await started(1);
    const waiting = ['b', 'c'].map(call);
    await expect(call('d')).rejects.toThrow(DatabaseUnavailable);
    executions[0]?.finish();
    await started(2);
    const late = call('e');
    executions[1]?.finish();
    await started(3);
    executions[2]?.finish();
    expect(await Promise.all([first, ...waiting, late])).toEqual([
      'a by 0',
      'b by 1',
      'c by 1',
      'e by 2',
    ]);
  });

  it('counts the calls of all that have one limit', async () => {
    const limit = openLimit(2);
    const reads = controlled({ limit });
    const writes = controlled({ limit });
    const answers = [reads.call('a'), writes.call('b')];
    await expect(reads.call('c')).rejects.toThrow(DatabaseUnavailable);
    await expect(writes.call('c')).rejects.toThrow(DatabaseUnavailable);
    await reads.started(1);
    await writes.started(1);
    reads.executions[0]?.finish();
    expect(await answers[0]).toBe('a by 0');
    await expect.poll(() => limit.pending).toBe(1);
    const next = writes.call('d');
    writes.executions[0]?.finish();
    await writes.started(2);
    writes.executions[1]?.finish();
    expect(await Promise.all([answers[1], next])).toEqual(['b by 0', 'd by 1']);
    await expect.poll(() => limit.pending).toBe(0);
  });

  it('refuses a call that waits too long for its execution to start, and only that', async () => {
    const { call, executions, started } = controlled({ maxWait: 400 });
    const first = call('a');
    await started(1);
    const early = call('b');
    const start = performance.now();
    early.catch(() => {}); // awaited below, after the next call
    await sleep(300);
    const late = call('c');
    await expect(early).rejects.toThrow(TurnTimeout);
    expect(performance.now() - start).toBeGreaterThan(395);
    expect(performance.now() - start).toBeLessThan(2_000);
    executions[0]?.finish();
    await started(2);
    expect(executions[1]?.inputs).toEqual(['c']);
    executions[1]?.finish();
    expect(await Promise.all([first, late])).toEqual(['a by 0', 'c by 1']);
  });

  it('tries each alone after a refused batch, so that a bad input fails only itself', async () => {
    const executed: string[][] = [];
    const call = share<string, string>(async (inputs) => {
      executed.push(inputs);
      if (inputs.includes('bad')) throw new Error('refused');
      return inputs;
    });
    const answers = await Promise.allSettled(['a', 'bad', 'c'].map(call));
    expect(answers.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect(executed).toEqual([['a', 'bad', 'c'], ['a'], ['bad'], ['c']]);
  });

  it('tries them one after the other, so that they do not take all connections', async () => {
    let [running, most] = [0, 0];
    const call = share<string, string>(async (inputs) => {
      if (inputs.length > 1) throw new Error('refused');
      most = Math.max(most, ++running);
      await sleep(1);
      running--;
      return inputs;
    });
    const inputs = Array.from({ length: 20 }, (_, n) => String(n));
    expect(await Promise.all(inputs.map(call))).toEqual(inputs);
    expect(most).toBe(1);
  });

  it('tries them no longer than a call may wait', async () => {
    const call = share<string, string>(
      async (inputs) => {
        if (inputs.length > 1) throw new Error('refused');
        await sleep(60);
        return inputs;
      },
      { maxWait: 100 },
    );
    const answers = await Promise.allSettled(['a', 'b', 'c', 'd', 'e'].map(call));
    const errors = answers.map(
      (answer) => answer.status === 'rejected' && (answer.reason as unknown),
    );
    expect(errors[0]).toBe(false);
    expect(errors.at(-1)).toBeInstanceOf(TurnTimeout);
  });

  it.each([new DatabaseUnavailable('away'), new OutcomeUnknown('lost')])(
    'does not try again when the database is away or the outcome unknown: %s',
    async (fault) => {
      const { call, executions, started } = controlled();
      const answers = Promise.allSettled(['a', 'b'].map(call));
      await started(1);
      executions[0]?.fail(fault);
      expect(
        (await answers).map((answer) => answer.status === 'rejected' && answer.reason),
      ).toEqual([fault, fault]);
      expect(executions).toHaveLength(1);
    },
  );

  it('works again after a failure', async () => {
    const { call, executions, started } = controlled();
    const failing = call('a');
    await started(1);
    executions[0]?.fail(new DatabaseUnavailable('away'));
    await expect(failing).rejects.toThrow('away');
    const answer = call('b');
    await started(2);
    executions[1]?.finish();
    expect(await answer).toBe('b by 1');
  });
});
