// Drives a stack with wrk for one round, and summarises rounds.
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type Operation, rows, type Tier, tiers, type Variant } from './plan.ts';
import type { Stack } from './stacks.ts';
import { usageOf } from './usage.ts';

const run = promisify(execFile);

/** What one round measured. */
export interface Round {
  requests: number;
  /** Requests per second, without those that failed. */
  rate: number;
  /** Milliseconds. */
  p50: number;
  p99: number;
  errors: number;
  /** CPU time of all requests, in microseconds, by cgroup accounting. */
  cpu: Record<Tier, number>;
  /** MiB of the API's container at the end. */
  memory: number;
}

/** The rounds of one measurement: medians of rates and times, sums of errors. */
export interface Result extends Omit<Round, 'requests'> {
  variant: Variant;
  operation: Operation;
  connections: number;
  /** CPU time per request, in microseconds. */
  cpu: Record<Tier, number>;
}

/** Measures one round. Rejects if wrk or Docker fails. */
export async function drive(
  { ids, address }: Stack,
  operation: Operation,
  connections: number,
  seconds: number,
): Promise<Round> {
  const url = `http://${address}/api/tasks${operation === 'one' ? '/25' : ''}`;
  const script = operation === 'create' ? ['-s', join(import.meta.dirname, 'create.lua')] : [];
  const load = ['-t1', `-c${connections}`, `-d${seconds}s`];
  const usage = () => Promise.all(tiers.map((tier) => usageOf(ids[tier])));

  await resetTasks(ids.db);
  const before = await usage();
  const { stdout } = await run('wrk', [...load, '--latency', ...script, url]);
  const after = await usage();

  const cpuOf = (n: number) => ((after[n]?.cpu ?? 0) - (before[n]?.cpu ?? 0)) / 1_000;
  return {
    ...readWrk(stdout),
    cpu: { web: cpuOf(0), api: cpuOf(1), db: cpuOf(2) },
    memory: (after[1]?.memory ?? 0) / 1024 / 1024,
  };
}

/** Gives every measurement the same rows, whatever was created before. */
async function resetTasks(db: string): Promise<void> {
  const reset = `
    TRUNCATE tasks RESTART IDENTITY;
    INSERT INTO tasks (title) SELECT 'task ' || n FROM generate_series(1, ${rows}) n;
    ANALYZE tasks`;
  await run('docker', ['exec', db, 'psql', '-U', 'taskapp', '-d', 'taskdb', '-qc', reset]);
}

/** The figures in the output of wrk. */
function readWrk(output: string): Omit<Round, 'cpu' | 'memory'> {
  const number = (pattern: RegExp) => Number(pattern.exec(output)?.[1] ?? 0);
  const errors = number(/Non-2xx or 3xx responses: (\d+)/);
  const requests = number(/(\d+) requests in/);
  const perSecond = number(/Requests\/sec:\s+([0-9.]+)/);
  return {
    requests,
    rate: perSecond * (1 - errors / Math.max(requests, 1)),
    p50: percentile(output, 50),
    p99: percentile(output, 99),
    errors,
  };
}

/** The latency of a percentile, in milliseconds. */
function percentile(output: string, percent: number): number {
  const line = new RegExp(`${percent}%\\s+([0-9.]+)(us|ms|s)`).exec(output);
  const [, value = '0', unit = 'ms'] = line ?? [];
  const inMs: Record<string, number> = { us: 0.001, ms: 1, s: 1000 };
  return Number(value) * (inMs[unit] ?? 1);
}

function median(values: number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor((sorted.length - 1) / 2)] ?? NaN;
}

/** Makes one result of the rounds of a variant. */
export function summarise(
  variant: Variant,
  operation: Operation,
  connections: number,
  rounds: Round[],
): Result {
  const sum = (value: (round: Round) => number) =>
    rounds.reduce((total, round) => total + value(round), 0);
  const requests = sum((round) => round.requests);
  const perRequest = (tier: Tier) => sum((round) => round.cpu[tier]) / requests;
  return {
    variant,
    operation,
    connections,
    rate: median(rounds.map(({ rate }) => rate)),
    p50: median(rounds.map(({ p50 }) => p50)),
    p99: median(rounds.map(({ p99 }) => p99)),
    errors: sum(({ errors }) => errors),
    cpu: { web: perRequest('web'), api: perRequest('api'), db: perRequest('db') },
    memory: rounds.at(-1)?.memory ?? NaN,
  };
}
