// The command line of `npm run verify`.
import { readFileSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { groups } from './check.ts';
import { checks } from './checks/all.ts';
import type { Trust } from './http.ts';
import type { ProjectOptions } from './project.ts';
import { type Format, formats } from './report.ts';

export const usage = `Usage: npm run verify -- [OPTIONS]

Checks a Compose project with the services web, api and db from outside: its files, the model that
Compose makes of them, the containers, and what they answer. For each failure it says what it saw,
why that matters and how to fix it. Start the stack first.

--dir PATH          the directory of the project (default: the current one);
                    other paths are relative to it. Repeatable: one report for each
--url URL           where web answers (default: where its port is published)
--only GROUP,…      only these groups, or ids of checks; the groups are
                    ${groups.join(', ')}
--format FORMAT     text (default), json or junit, on standard output
--destructive       also run the checks that stop and start the containers, restore a backup, run
                    the project's backup script in a copy of the directory, and run
                    docker compose down (never with -v) and up. Your data is kept, but what others
                    write meanwhile is lost, and requests fail
-f, --file FILE     as for docker compose, and repeatable; so is --env-file FILE
-p, --project-name NAME
                    as for docker compose. COMPOSE_FILE, COMPOSE_ENV_FILES and
                    COMPOSE_PROJECT_NAME in the environment count as well
--cacert FILE       certificates to trust, such as a self-signed one
--insecure          trust any certificate
--class DIR         grade a class instead, one submission per folder: see --class --help
-h, --help          this text
VERIFY_TOKEN        in the environment: sent to /api as "Authorization: Bearer"
VERIFY_TEXTS        in the environment: a file with a translation of what verify says

This repository in production:
  VERIFY_TOKEN=$(head -n 1 secrets/api_token) npm run verify -- -f compose.yml -f compose.prod.yml \\
    --env-file .env.prod --cacert secrets/tls.crt

Without --destructive, verify changes nothing except tasks that it creates and deletes again. It
copies the table first, and puts back what an API loses. It takes less than a minute, plus what a
slow stack makes it wait. A check that another's failure blocks is left out of the points.
Exit code: 0 all checks passed; 1 a check failed or could not be run; 2 wrong usage
`;

/** The command line is wrong. The message says what. */
export class WrongUsage extends Error {}

export interface Options {
  help: boolean;
  /** One for each --dir. */
  projects: ProjectOptions[];
  only: string[] | undefined;
  destructive: boolean;
  format: Format;
}

/** The options that the arguments and the environment give. Throws WrongUsage. */
export function parse(args: string[], env: NodeJS.ProcessEnv): Options {
  const values = parseValues(args);
  // npm runs us in the root of the repository; INIT_CWD is where the user called it.
  const directories = (values.dir ?? ['.']).map((path) =>
    existingDirectory('dir', resolve(env.INIT_CWD ?? '.', path)),
  );
  const ofOne = (['url', 'project-name'] as const).find((name) => values[name] !== undefined);
  if (ofOne && directories.length > 1) throw new WrongUsage(`--${ofOne}: is for one --dir only`);
  return {
    help: values.help,
    only: existingChecks(values.only),
    destructive: values.destructive,
    format: existingFormat(values.format),
    projects: directories.map((directory) => ({
      directory,
      files: values.file,
      envFiles: values['env-file'],
      name: values['project-name'],
      url: webAddress(values.url),
      token: env.VERIFY_TOKEN || undefined,
      trust: trust(values, directory),
      mayRunScripts: values.destructive,
    })),
  };
}

const options = {
  dir: { type: 'string', multiple: true },
  url: { type: 'string' },
  only: { type: 'string' },
  format: { type: 'string', default: 'text' },
  destructive: { type: 'boolean', default: false },
  file: { type: 'string', short: 'f', multiple: true },
  'env-file': { type: 'string', multiple: true },
  'project-name': { type: 'string', short: 'p' },
  cacert: { type: 'string' },
  insecure: { type: 'boolean', default: false },
  help: { type: 'boolean', short: 'h', default: false },
} as const;

function parseValues(args: string[]) {
  try {
    return parseArgs({ args, options }).values;
  } catch (error) {
    throw new WrongUsage((error as Error).message);
  }
}

/** The path, if it is a directory. Throws WrongUsage, which names the option. */
export function existingDirectory(option: string, path: string): string {
  const isDirectory = statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
  if (!isDirectory) throw new WrongUsage(`--${option}: ${path} is not a directory`);
  return path;
}

function webAddress(url: string | undefined): string | undefined {
  if (url === undefined) return undefined;
  const isWeb = URL.canParse(url) && /^https?:$/.test(new URL(url).protocol);
  if (!isWeb) throw new WrongUsage(`--url: ${url} is not an address such as http://localhost`);
  return url;
}

function existingFormat(name: string): Format {
  const found = formats.find((format) => format === name);
  if (!found) throw new WrongUsage(`--format: ${name} is none of ${formats.join(', ')}`);
  return found;
}

function existingChecks(list: string | undefined): string[] | undefined {
  if (list === undefined) return undefined;
  const names = list
    .split(',')
    .map((name) => name.trim())
    .filter(Boolean);
  const known = new Set<string>([...groups, ...checks.map(({ id }) => id)]);
  const unknown = names.filter((name) => !known.has(name));
  if (names.length > 0 && unknown.length === 0) return names;
  const wrong = unknown.join(', ') || 'nothing';
  throw new WrongUsage(`--only: ${wrong} is none of ${groups.join(', ')}, nor a check`);
}

function trust(
  { cacert, insecure, help }: ReturnType<typeof parseValues>,
  directory: string,
): Trust {
  if (cacert === undefined || help) return { insecure };
  return { insecure, ca: certificates(resolve(directory, cacert)) };
}

function certificates(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new WrongUsage(`--cacert: ${(error as Error).message}`);
  }
}
