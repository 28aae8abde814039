// The project's database: SQL as its owner, and who can connect to it.
import type { CommandOptions, Ended } from './command.ts';
import { runBeside, runningContainer } from './containers.ts';
import { NotPossible } from './errors.ts';
import type { Container } from './model.ts';
import type { Project } from './project.ts';
import { NoConnection, Psql } from './psql.ts';
import { say } from './texts.ts';

/** The login and the database that the image was told to create. */
export async function databaseOwner(project: Project): Promise<{ user: string; database: string }> {
  const db = await runningContainer(project, 'db');
  const user = (await settingOf(project, db, 'POSTGRES_USER')) ?? 'postgres';
  return { user, database: (await settingOf(project, db, 'POSTGRES_DB')) ?? user };
}

/** A setting of the image: a variable, or the content of the file that NAME_FILE names. */
async function settingOf(
  project: Project,
  container: Container,
  name: string,
): Promise<string | undefined> {
  const file = environmentOf(container, `${name}_FILE`);
  if (file === undefined) return environmentOf(container, name);
  return project.once(`${name} of ${container.Id}`, async () => {
    const { stdout } = await project.docker(['exec', container.Id, 'cat', file]);
    return stdout.toString().trim() || undefined;
  });
}

/** A variable in the environment of a container. */
export function environmentOf({ Config }: Container, name: string): string | undefined {
  const line = Config.Env?.find((entry) => entry.startsWith(`${name}=`));
  return line?.slice(name.length + 1);
}

/** The port of the server, as the name of its socket has it. */
const portOf = (project: Project): Promise<string> =>
  project.once('port of db', async () => {
    const db = await runningContainer(project, 'db');
    const { stdout } = await project.docker(['exec', db.Id, 'ls', '-A', '/var/run/postgresql']);
    const [, port] = /^\.s\.PGSQL\.(\d+)$/m.exec(stdout.toString()) ?? [];
    return port ?? environmentOf(db, 'PGPORT') ?? '5432';
  });

/** Runs its arguments with the owner's password, which pg_hba.conf may want on the socket too. */
const withPassword =
  'export PGPASSWORD="${POSTGRES_PASSWORD:-$(cat "${POSTGRES_PASSWORD_FILE:-/dev/null}")}"; ' +
  'exec "$0" "$@"';

/** The arguments of `docker` that run a PostgreSQL program as the owner. */
async function argumentsFor(
  project: Project,
  [program = '', ...args]: string[],
  database?: string,
): Promise<string[]> {
  const { Id } = await runningContainer(project, 'db');
  const owner = await databaseOwner(project);
  const port = await portOf(project);
  const login = ['-p', port, '-U', owner.user, '-d', database ?? owner.database];
  return ['exec', '-i', Id, 'sh', '-c', withPassword, program, ...login, ...args];
}

/**
 * Runs a PostgreSQL program in db's container as the owner, on the project's database by default.
 * Throws NotPossible if db does not run.
 */
export async function inDatabase(
  project: Project,
  command: string[],
  { database, ...options }: CommandOptions & { database?: string | undefined } = {},
): Promise<Ended> {
  return project.docker(await argumentsFor(project, command, database), options);
}

/** A psql that stays open until the run ends, or its connection does. */
async function openPsql(project: Project, database?: string): Promise<Psql> {
  const flags = ['--no-psqlrc', '-qAt', '-v', 'ON_ERROR_STOP=1'];
  const { psql: given } = project.options;
  const command = given
    ? [...given, ...flags]
    : ['docker', ...(await argumentsFor(project, ['psql', ...flags], database))];
  const name = command.join(' ');
  return project.once(name, () => {
    const { directory: cwd, env } = project;
    const psql = new Psql(command, { cwd, env }, () => project.forget(name));
    project.atEnd.push(() => psql.close());
    return Promise.resolve(psql);
  });
}

/** Runs SQL as the owner: a line per row, `|` between columns. Throws NotPossible on an error. */
export async function sql(project: Project, statement: string, database?: string): Promise<string> {
  const run = async () => (await openPsql(project, database)).run(statement);
  const printed = await run().catch((error: unknown) => {
    // The one that was open may have lost its connection since the last statement.
    if (error instanceof NoConnection) return run();
    throw error;
  });
  return printed.trim();
}

/** The same as a list of rows, each a list of columns. */
export async function sqlRows(project: Project, statement: string): Promise<string[][]> {
  const lines = (await sql(project, statement)).split('\n').filter(Boolean);
  return lines.map((line) => line.split('|'));
}

function addressesOf({ NetworkSettings }: Container): string[] {
  const networks = Object.values(NetworkSettings.Networks);
  const addresses = networks.flatMap(({ IPAddress, GlobalIPv6Address = '' }) => [
    IPAddress,
    GlobalIPv6Address,
  ]);
  return addresses.filter(Boolean);
}

/** Where the server listens. */
export interface Address {
  host: string;
  port: string;
}

/** True if PostgreSQL accepts a connection to the address from beside the container. */
async function accepts(
  project: Project,
  from: Container,
  { host, port }: Address,
): Promise<boolean> {
  // Five seconds: a packet may be lost while the engine changes networks.
  const ask = ['-h', host, '-p', port, '-t', '5'];
  const { code, stderr } = await runBeside(project, from, 'pg_isready', ...ask);
  // 0 and 1: the server answered. 2: it did not.
  if (code > 2) throw new NotPossible(say('shared.pg-isready-failed', { error: stderr }));
  return code < 2;
}

/**
 * The addresses at which db, on any of its networks, accepts connections from a container.
 * Throws NotPossible if it cannot be tried.
 */
export function reachedFrom(project: Project, tier: 'web' | 'api'): Promise<Address[]> {
  return project.once(`db from ${tier}`, async () => {
    const db = await runningContainer(project, 'db');
    const from = await runningContainer(project, tier);
    const addresses = addressesOf(db);
    const port = await portOf(project);
    const ask = (host: string) => accepts(project, from, { host, port });
    // Twice: while the engine changes networks, its firewall lets packets through for a moment.
    const accepted = await Promise.all(
      addresses.map(async (host) => (await ask(host)) && (await ask(host))),
    );
    return addresses.filter((_host, n) => accepted[n]).map((host) => ({ host, port }));
  });
}
