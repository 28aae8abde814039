// `npm run verify`: the command itself.
import { NoFence } from './class/fence.ts';
import { isForClass, parse as parseClass, usage as classUsage } from './class/options.ts';
import { runClass } from './class/run.ts';
import { parse, usage, WrongUsage } from './options.ts';
import { Progress } from './progress.ts';
import { Project, type ProjectOptions } from './project.ts';
import { formatAll, type Titled } from './report.ts';
import { exitCode, type Report, type Selection, verify } from './run.ts';
import { translationFault } from './texts.ts';

async function main(): Promise<number> {
  if (translationFault !== undefined) throw new WrongUsage(`VERIFY_TEXTS: ${translationFault}`);
  if (isForClass(process.argv)) return classMain();
  const { help, projects, format: as, ...selection } = parse(process.argv.slice(2), process.env);
  if (help) {
    process.stdout.write(usage);
    return 0;
  }
  const signal = interruption();
  const reports: Titled[] = [];
  for (const project of projects) {
    const report = await oneReport(project, selection, signal);
    reports.push({ report, directory: project.directory });
  }
  const colour = process.stdout.isTTY && !process.env.NO_COLOR;
  const text = formatAll(reports, { as, colour });
  await new Promise((done) => process.stdout.write(text, done));
  return reports.every(({ report }) => exitCode(report) === 0) ? 0 : 1;
}

async function oneReport(
  options: ProjectOptions,
  selection: Selection,
  signal: AbortSignal,
): Promise<Report> {
  const progress = process.stderr.isTTY ? new Progress() : undefined;
  const report = await verify(new Project(options), {
    ...selection,
    signal,
    onStart: ({ id, title }) => progress?.start(`${id}: ${title}`),
  });
  progress?.stop();
  return report;
}

async function classMain(): Promise<number> {
  const options = parseClass(process.argv.slice(2), process.env);
  if (typeof options !== 'string') return runClass(options, interruption());
  process.stdout.write(options);
  return 0;
}

/** Aborts on Ctrl-C, when the process is told to end, or when its terminal is closed. */
function interruption(): AbortSignal {
  const interrupt = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      process.stderr.write('\nverify: stopping, once the stack is as it was\n');
      interrupt.abort();
    });
  }
  return interrupt.signal;
}

function failed(error: unknown): number {
  if (error instanceof NoFence) {
    process.stderr.write(`verify: ${error.message}\n`);
    return 2;
  }
  if (!(error instanceof WrongUsage)) throw error;
  const help = isForClass(process.argv) ? classUsage : usage;
  process.stderr.write(`verify: ${error.message}\n\n${help}`);
  return 2;
}

// A terminal that was closed takes no more text, and that must not end the run.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);

const code = await main().catch(failed);
process.exit(code); // a service that hangs may keep a connection open
