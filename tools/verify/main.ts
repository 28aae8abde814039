// npm run verify: the command line.
import { readFileSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { groupOf, groups } from './check.ts';
import { checks } from './checks/all.ts';
import { Project } from './project.ts';
import { type Format, format, formats } from './report.ts';
import { exitCode, verify } from './run.ts';

const usage = `Usage: npm run verify -- [OPTIONS]

Checks a Compose project with the services web, api and db from outside: its files, the model that
Compose makes of them, the containers, and what they answer. For each failure it says what it saw,
why that matters and how to fix it. Start the stack first.

--dir PATH          the directory of the project (default: the current one);
                    other paths are relative to it
--url URL           where web answers (default: where its port is published)
--only GROUP,…      only these groups, or ids of checks; the groups are
                    ${groups.join(', ')}
--format FORMAT     text (default), json or junit, on standard output
--destructive       also run the checks that stop and start the containers, restore a backup, and
                    run docker compose down (never with -v) and up. Your data is kept, but what
                    others write meanwhile is lost, and requests fail
-f, --file FILE     as for docker compose, and repeatable; so is --env-file FILE
-p, --project-name NAME
                    as for docker compose. COMPOSE_FILE, COMPOSE_ENV_FILES and
                    COMPOSE_PROJECT_NAME in the environment count as well
--cacert FILE       certificates to trust, such as a self-signed one
--insecure          trust any certificate
-h, --help          this text
VERIFY_TOKEN        in the environment: sent to /api as "Authorization: Bearer"

This repository in production:
  VERIFY_TOKEN=$(cat secrets/api_token) npm run verify -- -f compose.yml -f compose.prod.yml \\
    --env-file .env.prod --cacert secrets/tls.crt

Without --destructive, verify changes nothing except tasks that it creates and deletes again, and
takes less than a minute.
Exit code: 0 all checks passed; 1 a check failed or could not be run; 2 wrong usage
`;

class WrongUsage extends Error {}

/** What a person has typed. Throws WrongUsage. */
export function parse(args: string[], env: NodeJS.ProcessEnv) {
  const { values } = parsed(args);
  const directory = resolve(env.INIT_CWD ?? '.', values.dir ?? '.'); // npm changes to the root of the repository
  if (!statSync(directory, { throwIfNoEntry: false })?.isDirectory())
    throw new WrongUsage(`--dir: ${directory} is not a directory`);
  if (
    values.url !== undefined &&
    !(URL.canParse(values.url) && /^https?:$/.test(new URL(values.url).protocol))
  ) {
    throw new WrongUsage(`--url: ${values.url} is not an address such as http://localhost`);
  }
  if (!formats.some((name) => name === values.format))
    throw new WrongUsage(`--format: ${values.format} is none of ${formats.join(', ')}`);
  const only = values.only
    ?.split(',')
    .map((name) => name.trim())
    .filter(Boolean);
  const known = new Set<string>([...groups, ...checks.map(({ id }) => id), ...checks.map(groupOf)]);
  const unknown = only?.filter((name) => !known.has(name)) ?? [];
  if (only?.length === 0 || unknown.length > 0)
    throw new WrongUsage(
      `--only: ${unknown.join(', ') || 'nothing'} is none of ${groups.join(', ')}, nor a check`,
    );
  return { ...values, directory, only, format: values.format as Format };
}

function parsed(args: string[]) {
  try {
    return parseArgs({
      args,
      options: {
        dir: { type: 'string' },
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
      },
    });
  } catch (error) {
    throw new WrongUsage((error as Error).message);
  }
}

function certificates(path: string, directory: string): Buffer {
  try {
    return readFileSync(resolve(directory, path));
  } catch (error) {
    throw new WrongUsage(`--cacert: ${(error as Error).message}`);
  }
}

/** Shows on a terminal what is being waited for, and for how long. */
function progress() {
  let title = '';
  let since = Date.now();
  const show = () =>
    process.stderr.write(`\r\u001B[K${title} … ${Math.round((Date.now() - since) / 1_000)} s`);
  const timer = setInterval(show, 1_000);
  return {
    start(text: string) {
      title = text;
      since = Date.now();
      show();
    },
    stop() {
      clearInterval(timer);
      process.stderr.write('\r\u001B[K');
    },
  };
}

async function main(): Promise<number> {
  const options = parse(process.argv.slice(2), process.env);
  if (options.help) {
    process.stdout.write(usage);
    return 0;
  }
  const project = new Project({
    directory: options.directory,
    files: options.file,
    envFiles: options['env-file'],
    name: options['project-name'],
    url: options.url,
    token: process.env.VERIFY_TOKEN || undefined,
    trust: {
      insecure: options.insecure,
      ...(options.cacert !== undefined && { ca: certificates(options.cacert, options.directory) }),
    },
  });

  const interrupt = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      process.stderr.write('\nverify: ending, once the stack is as it was\n');
      interrupt.abort();
    });
  }
  const watched = process.stderr.isTTY ? progress() : undefined;
  const report = await verify(project, {
    only: options.only,
    destructive: options.destructive,
    signal: interrupt.signal,
    onStart: ({ id, title }) => watched?.start(`${id}: ${title}`),
  });
  watched?.stop();
  const colour = process.stdout.isTTY && !process.env.NO_COLOR;
  const text = format(report, { as: options.format, directory: options.directory, colour });
  await new Promise((done) => process.stdout.write(text, done));
  return exitCode(report);
}

if (import.meta.main) {
  const code = await main().catch((error: unknown) => {
    if (!(error instanceof WrongUsage)) throw error;
    process.stderr.write(`verify: ${error.message}\n\n${usage}`);
    return 2;
  });
  process.exit(code); // whatever a hung service still keeps open
}
