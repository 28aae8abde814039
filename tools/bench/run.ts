// `npm run bench`: how fast the stack is, compared with the most that the chain allows and with two
// other ways to write the API. One run on one machine measures all, so the ratios mean something.
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { drive, type Result, type Round, summarise } from './drive.ts';
import { type Operation, operations, type Plan, planFor, type Variant, variants } from './plan.ts';
import { chart, conditions, page, table } from './report.ts';
import { root, type Stack, Stacks } from './stacks.ts';

const usage = `Usage: npm run bench -- [--quick]

Boots the production stack four times, each with another API behind the same nginx and PostgreSQL.
Drives one after the other with wrk at its address on the frontend network, in several rounds.
Writes docs/performance.md and docs/performance.svg. Takes under 10 minutes.

--quick    64 connections only, and docs/ is left alone. Takes under 2 minutes

Needs wrk (Debian: apt-get install wrk).`;

function hasWrk(): boolean {
  try {
    execFileSync('wrk', ['-v'], { stdio: 'ignore' });
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ENOENT'; // wrk -v exits with 1
  }
}

async function startAll(stacks: Stacks): Promise<Map<Variant, Stack>> {
  stacks.makeSecrets();
  const started = new Map<Variant, Stack>();
  for (const variant of variants) {
    console.log(`bench: starting ${variant}`);
    started.set(variant, await stacks.start(variant));
  }
  return started;
}

/** Measures every operation on every stack, and prints each result. */
async function measureAll(stacks: Map<Variant, Stack>, plan: Plan): Promise<Result[]> {
  const results: Result[] = [];
  const total = variants.length * operations.length * plan.connections.length;
  for (const operation of operations) {
    console.log(`bench: warming up for ${operation}`);
    // Until Node has compiled what runs often.
    for (const stack of stacks.values()) await drive(stack, operation, 64, plan.warmUpSeconds);
    for (const connections of plan.connections) {
      for (const result of await measure(stacks, operation, connections, plan)) {
        results.push(result);
        console.log(`bench: ${results.length}/${total} ${inOneLine(result)}`);
      }
    }
  }
  return results;
}

/** Measures one operation on all stacks in turn, round after round. */
async function measure(
  stacks: Map<Variant, Stack>,
  operation: Operation,
  connections: number,
  plan: Plan,
): Promise<Result[]> {
  const measured = [...stacks].map(([variant, stack]) => ({
    variant,
    stack,
    rounds: new Array<Round>(),
  }));
  for (let round = 0; round < plan.roundsWith(connections); round++) {
    for (const { stack, rounds } of measured)
      rounds.push(await drive(stack, operation, connections, plan.seconds));
  }
  return measured.map(({ variant, rounds }) => summarise(variant, operation, connections, rounds));
}

function inOneLine(result: Result): string {
  const { variant, operation, connections, rate, p50, p99, errors } = result;
  const times = `p50 ${p50.toFixed(2)} ms, p99 ${p99.toFixed(2)} ms`;
  const what = `${variant} ${operation} with ${connections}`;
  return `${what}: ${Math.round(rate)}/s, ${times}, ${errors} errors`;
}

/** Boots, measures and removes the stacks. */
async function bench(plan: Plan): Promise<Result[]> {
  const stacks = new Stacks();
  try {
    return await measureAll(await startAll(stacks), plan);
  } finally {
    await stacks.remove();
  }
}

function writeDocuments(results: Result[], plan: Plan): void {
  writeFileSync(join(root, 'docs/performance.svg'), chart(results));
  writeFileSync(join(root, 'docs/performance.md'), page(results, plan));
  console.log('bench: wrote docs/performance.md and docs/performance.svg');
}

async function main(args: string[]): Promise<number> {
  if (args.includes('--help')) {
    console.log(usage);
    return 0;
  }
  if (!hasWrk()) {
    const install = 'Debian and Ubuntu: apt-get install wrk; macOS: brew install wrk';
    console.error(`bench: wrk is not installed (${install})`);
    return 1;
  }
  const quick = args.includes('--quick');
  const plan = planFor(quick);
  const started = Date.now();
  const results = await bench(plan);
  const took = Math.round((Date.now() - started) / 1_000);
  console.log(`\n${table(results)}\n\n${conditions(plan).join(', ')}; took ${took} s`);
  if (!quick) writeDocuments(results, plan);
  return 0;
}

process.exitCode = await main(process.argv.slice(2));
