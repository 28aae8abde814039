// `npm run verify`: the command itself.
import { parse, usage, WrongUsage } from './options.ts';
import { Progress } from './progress.ts';
import { Project } from './project.ts';
import { format } from './report.ts';
import { exitCode, verify } from './run.ts';

async function main(): Promise<number> {
  const {
    help,
    project,
    only,
    destructive,
    format: as,
  } = parse(process.argv.slice(2), process.env);
  if (help) {
    process.stdout.write(usage);
    return 0;
  }
  const progress = process.stderr.isTTY ? new Progress() : undefined;
  const report = await verify(new Project(project), {
    only,
    destructive,
    signal: interruption(),
    onStart: ({ id, title }) => progress?.start(`${id}: ${title}`),
  });
  progress?.stop();
  const colour = process.stdout.isTTY && !process.env.NO_COLOR;
  const text = format(report, { as, directory: project.directory, colour });
  await new Promise((done) => process.stdout.write(text, done));
  return exitCode(report);
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
  if (!(error instanceof WrongUsage)) throw error;
  process.stderr.write(`verify: ${error.message}\n\n${usage}`);
  return 2;
}

// A terminal that was closed takes no more text, and that must not end the run.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);

const code = await main().catch(failed);
process.exit(code); // a service that hangs may keep a connection open
