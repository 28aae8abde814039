// The command line of `npm run verify -- --class`.
import { relative, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { existingDirectory, WrongUsage } from '../options.ts';
import { isInside } from './copy.ts';
import { limits } from './limits.ts';
import { printedWeights, type Weights, weightsIn } from './weights.ts';

export const usage = `Usage: npm run verify -- --class DIR [OPTIONS]

Grades a class: each folder in DIR is a submission. It is copied, its .env is copied from its
example, its images are built, and its stack is started under its own project name and ports,
checked and removed. A submission may use only its own files and containers, within limits. One that
asks for more is refused. What takes more fails or is stopped. The others are not affected.

--class DIR         the submissions; other paths are relative to where npm was called
--report DIR        where the reports go (default: DIR with -verify added): index.html and a page
                    for each submission, class.csv, class.junit.xml. After an interruption, run
                    the same command again: it grades only what is missing or has changed
--jobs N            how many submissions to grade at a time (default: 1)
--weights FILE      points for checks, by id, as JSON: {"api.create": 5, "files.readme": 0}
--print-weights     print all of them, as a file to edit
--destructive       also run the checks that stop and start the containers
--build-limit SECONDS, --disk-limit MIB
                    how long the builds of a submission may take (default: 240), and how much it
                    may write (default: 3072)
--helper IMAGE      an image with a shell, to limit builds with (default: nginx:1.30-alpine)
-h, --help          this text
VERIFY_TEXTS        in the environment: a file with a translation of what verify says

Use a machine with nothing of value on it: containers share its kernel. Pull the images that the
course uses first: an image that a submission pulls is removed after it.
Exit code: 0 all were graded, whatever their points; 1 interrupted; 2 wrong usage, or an engine on
which builds cannot be limited
`;

export interface ClassOptions {
  directory: string;
  report: string;
  jobs: number;
  weights: Weights;
  destructive: boolean;
  helper: string;
  buildMs: number;
  diskBytes: number;
}

const options = {
  class: { type: 'string' },
  report: { type: 'string' },
  jobs: { type: 'string', default: '1' },
  weights: { type: 'string' },
  'print-weights': { type: 'boolean', default: false },
  destructive: { type: 'boolean', default: false },
  'build-limit': { type: 'string', default: String(limits.buildMs / 1_000) },
  'disk-limit': { type: 'string', default: String(limits.diskBytes / 2 ** 20) },
  helper: { type: 'string', default: 'nginx:1.30-alpine' },
  help: { type: 'boolean', short: 'h', default: false },
} as const;

/** True if the command line is one for a class. */
export const isForClass = (args: string[]): boolean =>
  args.some((arg) => arg === '--print-weights' || /^--class(=|$)/.test(arg));

/** The options, or a text to print instead. Throws WrongUsage. */
export function parse(args: string[], env: NodeJS.ProcessEnv): ClassOptions | string {
  if (args.includes('--help') || args.includes('-h')) return usage;
  const values = parseValues(args);
  if (values['print-weights']) return printedWeights();
  const from = resolve(env.INIT_CWD ?? '.');
  if (!values.class) throw new WrongUsage('--class: no directory is named');
  const directory = existingDirectory('class', resolve(from, values.class));
  return {
    directory,
    report: reportDirectory(resolve(from, values.report ?? `${directory}-verify`), directory),
    jobs: wholeNumber('jobs', values.jobs, 16),
    weights: weightsIn(values.weights && resolve(from, values.weights)),
    destructive: values.destructive,
    helper: values.helper,
    buildMs: wholeNumber('build-limit', values['build-limit'], 3_600) * 1_000,
    diskBytes: wholeNumber('disk-limit', values['disk-limit'], 1_000_000) * 2 ** 20,
  };
}

function parseValues(args: string[]) {
  try {
    return parseArgs({ args, options }).values;
  } catch (error) {
    throw new WrongUsage((error as Error).message);
  }
}

function reportDirectory(path: string, directory: string): string {
  if (isInside(directory, path))
    throw new WrongUsage(`--report: ${relative(directory, path) || '.'} is among the submissions`);
  return path;
}

function wholeNumber(name: string, text: string, most: number): number {
  const number = Number(text);
  if (Number.isInteger(number) && number >= 1 && number <= most) return number;
  throw new WrongUsage(`--${name}: ${text} is no whole number from 1 to ${most}`);
}
