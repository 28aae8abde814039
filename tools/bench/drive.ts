// Drives a stack with wrk for one round.
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Round } from './figures.ts';
import type { Operation } from './plan.ts';
import { type Stack, tiers } from './stacks.ts';
import { cpuOfEngine, usageOf } from './usage.ts';

const run = promisify(execFile);

/** Measures one round. Rejects if wrk or Docker fails. */
export async function drive(
  stack: Stack,
  { path, isCreate }: Operation,
  connections: number,
  seconds: number,
): Promise<Round> {
  const { ids, url, token } = stack;
  const script = isCreate ? ['-s', join(import.meta.dirname, 'create.lua')] : [];
  const load = ['-t1', `-c${connections}`, `-d${seconds}s`, '-H', `Authorization: Bearer ${token}`];
  const usage = () => Promise.all(tiers.map((tier) => usageOf(ids[tier])));

  const walBefore = await walOf(stack); // outside of what counts as CPU time of the database
  const before = await usage();
  const engineBefore = cpuOfEngine();
  const { stdout } = await run('wrk', [...load, '--latency', ...script, `${url}${path}`]);
  const engine = cpuOfEngine() - engineBefore;
  const after = await usage();
  const wal = (await walOf(stack)) - walBefore;

  const { requests, ...measured } = readWrk(stdout);
  const [web = NaN, api = NaN, db = NaN] = tiers.map(
    (_, n) => ((after[n]?.cpu ?? NaN) - (before[n]?.cpu ?? NaN)) / requests,
  );
  const memory = (after[tiers.indexOf('api')]?.memory ?? NaN) / 1024 / 1024;
  return { ...measured, web, api, db, engine: engine / requests, wal: wal / requests, memory };
}

/**
 * Gives the table so many rows, whatever was created before: ids from 1, a second apart, all older
 * than what wrk creates. One title has `zebra`.
 */
export async function fill(stack: Stack, rows: number): Promise<void> {
  const insert = `
    INSERT INTO tasks (title, created_at)
    SELECT
      'task ' || n || CASE n WHEN 7 THEN ' zebra' ELSE '' END,
      timestamptz '2025-01-01 00:00:00Z' + n * interval '1 second'
    FROM generate_series(1, ${rows}) n`;
  // VACUUM must be alone. It and CHECKPOINT do now what would happen during the measurement.
  const afterwards = ['VACUUM (ANALYZE) tasks', 'CHECKPOINT'];
  await psql(stack, 'TRUNCATE tasks RESTART IDENTITY', insert, ...afterwards);
}

/** The bytes of a task with its indexes. */
export const bytesPerTask = async (stack: Stack) =>
  Number(await psql(stack, `SELECT pg_total_relation_size('tasks') / count(*) FROM tasks`));

/** The bytes that PostgreSQL has written to its WAL. */
const walOf = async (stack: Stack) =>
  Number(await psql(stack, `SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')`));

/** What the statements return. Rejects if one fails. */
async function psql({ ids }: Stack, ...statements: string[]): Promise<string> {
  const options = ['-U', 'taskapp', '-d', 'taskdb', '-v', 'ON_ERROR_STOP=1', '-Atq'];
  const commands = statements.flatMap((statement) => ['-c', statement]);
  const command = ['exec', ids.db.join(), 'psql', ...options, ...commands];
  return (await run('docker', command)).stdout;
}

/** The figures in the output of wrk. */
function readWrk(
  output: string,
): Pick<Round, 'rate' | 'p50' | 'p99' | 'errors'> & { requests: number } {
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
