// `npm run bench`: how fast production is, compared with the most that nginx and Express allow and
// with other servers, and with a large table. One run on one machine measures all, so the ratios
// mean something.
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { bytesPerTask, drive, fill } from './drive.ts';
import { median, type Result, type Round } from './figures.ts';
import {
  growthOperations,
  growthPlan,
  type Operation,
  operations,
  type Plan,
  planFor,
  rows,
  sizes,
  variants,
} from './plan.ts';
import {
  chart,
  conditions,
  growthConditions,
  growthPage,
  growthTable,
  page,
  table,
} from './report.ts';
import { assumptionsFrom, measuredCosts, scalingTables, usual, withTables } from './scaling.ts';
import { installPeer, root, type Stack, Stacks } from './stacks.ts';

const usage = `Usage: npm run bench -- [--quick | --growth | --scaling]

Boots the production stack several times, each with another server behind the same nginx and
PostgreSQL. Drives one after the other with wrk at its address on the frontend network, in several
rounds. Writes docs/performance.md and docs/performance.svg, and the tables of docs/scaling.md.
Takes about 15 minutes.

--quick    64 connections and short rounds; docs/ is left alone. Takes about 3 minutes
--growth   production with 1,000 and with 1,000,000 rows instead; writes docs/growth.md, and the
           tables of docs/scaling.md. Takes about 4 minutes
--scaling  prints the tables of docs/scaling.md from what these runs have written, and measures
           nothing. To change an assumption, add --requests=50, --writes=0.2, --lists=0.6, --peak=5
           or --busy=0.6

Needs wrk (Debian: apt-get install wrk), and npm's registry for Bun and Hono; --scaling needs
neither.`;

function hasWrk(): boolean {
  try {
    execFileSync('wrk', ['-v'], { stdio: 'ignore' });
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ENOENT'; // wrk -v exits with 1
  }
}

/** What is measured: a stack under the name that the report has for it. */
interface Subject {
  name: string;
  stack: Stack;
  /** Called before each drive. */
  prepare: () => Promise<void>;
}

/** Measures one operation on all subjects in turn, round after round. */
async function measure(
  subjects: Subject[],
  operationOf: (subject: Subject) => Operation,
  connections: number,
  plan: Plan,
): Promise<Result[]> {
  const measured = subjects.map((subject) => ({ subject, rounds: new Array<Round>() }));
  for (let round = 0; round < plan.roundsWith(connections); round++) {
    for (const { subject, rounds } of measured) {
      await subject.prepare();
      rounds.push(await drive(subject.stack, operationOf(subject), connections, plan.seconds));
    }
  }
  return measured.map(({ subject, rounds }) => ({
    subject: subject.name,
    operation: operationOf(subject).name,
    connections,
    rounds,
  }));
}

/** Measures every operation on every subject, and prints each result. */
async function measureAll(
  subjects: Subject[],
  operationsOf: (subject: Subject) => Operation[],
  plan: Plan,
): Promise<Result[]> {
  const results: Result[] = [];
  const [count = 0] = subjects.map((subject) => operationsOf(subject).length);
  const total = subjects.length * count * plan.connections.length;
  for (let n = 0; n < count; n++) {
    const operationOf = (subject: Subject) => operationsOf(subject)[n] as Operation;
    console.log('bench: warming up');
    for (const subject of subjects) {
      await subject.prepare();
      await drive(subject.stack, operationOf(subject), 64, plan.warmUpSeconds);
    }
    for (const connections of plan.connections) {
      for (const result of await measure(subjects, operationOf, connections, plan)) {
        results.push(result);
        console.log(`bench: ${results.length}/${total} ${inOneLine(result)}`);
      }
    }
  }
  return results;
}

function inOneLine({ subject, operation, connections, rounds }: Result): string {
  const of = (value: (round: Round) => number) => median(rounds.map(value));
  const [rate, p50, p99] = [of((one) => one.rate), of((one) => one.p50), of((one) => one.p99)];
  const errors = rounds.reduce((sum, round) => sum + round.errors, 0);
  const times = `p50 ${p50.toFixed(2)} ms, p99 ${p99.toFixed(2)} ms`;
  const what = `${subject}: ${operation} with ${connections}`;
  return `${what}: ${Math.round(rate)}/s, ${times}, ${errors} errors`;
}

/** Boots, measures and removes the stacks of all variants. */
async function benchVariants(plan: Plan): Promise<Result[]> {
  installPeer();
  return withStacks(async (stacks) => {
    const subjects: Subject[] = [];
    for (const variant of variants) {
      console.log(`bench: starting ${variant}`);
      const stack = await stacks.start(variant, variant);
      subjects.push({ name: variant, stack, prepare: () => fill(stack, rows) });
    }
    return measureAll(subjects, () => operations, plan);
  });
}

/** The same with a stack for each size of the table. Also the bytes of a task in the large one. */
function benchGrowth(plan: Plan): Promise<[Result[], number]> {
  return withStacks(async (stacks) => {
    const subjects: Subject[] = [];
    let bytes = NaN;
    for (const size of sizes) {
      console.log(`bench: starting ${size} rows`);
      const stack = await stacks.start(`rows-${size}`, 'taskapp');
      await fill(stack, size);
      bytes = await bytesPerTask(stack);
      subjects.push({ name: String(size), stack, prepare: async () => {} });
    }
    const operationsOf = ({ name }: Subject) => growthOperations(Number(name));
    return [await measureAll(subjects, operationsOf, plan), bytes];
  });
}

async function withStacks<Results>(bench: (stacks: Stacks) => Promise<Results>): Promise<Results> {
  const stacks = new Stacks();
  try {
    stacks.makeSecrets();
    return await bench(stacks);
  } finally {
    await stacks.remove();
  }
}

function write(name: string, text: string): void {
  writeFileSync(join(root, 'docs', name), text);
  console.log(`bench: wrote docs/${name}`);
}

/** The tables of docs/scaling.md are arithmetic on the figures of the other two. */
function writeScaling(): void {
  const text = readFileSync(join(root, 'docs/scaling.md'), 'utf8');
  write('scaling.md', withTables(text, scalingTables(measuredCosts(), usual)));
}

/** Prints them for other assumptions. Returns the exit code. */
function printScaling(args: string[]): number {
  try {
    console.log(scalingTables(measuredCosts(), assumptionsFrom(args)).join('\n\n'));
    return 0;
  } catch (error) {
    console.error(`bench: ${(error as Error).message}; --help lists the options`);
    return 2;
  }
}

async function main(args: string[]): Promise<number> {
  if (args.includes('--help')) {
    console.log(usage);
    return 0;
  }
  if (args.includes('--scaling')) {
    return printScaling(args.filter((argument) => argument !== '--scaling'));
  }
  const unknown = args.find((argument) => !['--quick', '--growth'].includes(argument));
  if (unknown !== undefined) {
    console.error(`bench: there is no option ${unknown}\n\n${usage}`);
    return 2;
  }
  if (!hasWrk()) {
    const install = 'Debian and Ubuntu: apt-get install wrk; macOS: brew install wrk';
    console.error(`bench: wrk is not installed (${install})`);
    return 1;
  }
  const started = Date.now();
  const took = () => `took ${Math.round((Date.now() - started) / 1_000)} s`;
  if (args.includes('--growth')) {
    const [results, bytes] = await benchGrowth(growthPlan);
    console.log(
      `\n${growthTable(results)}\n\n${growthConditions(growthPlan).join(', ')}; ${took()}`,
    );
    write('growth.md', growthPage(results, growthPlan, bytes));
    writeScaling();
    return 0;
  }
  const quick = args.includes('--quick');
  const plan = planFor(quick);
  const results = await benchVariants(plan);
  console.log(`\n${table(results)}\n\n${conditions(plan).join(', ')}; ${took()}`);
  if (!quick) {
    write('performance.svg', chart(results));
    write('performance.md', page(results, plan));
    writeScaling();
  }
  return 0;
}

process.exitCode = await main(process.argv.slice(2));
