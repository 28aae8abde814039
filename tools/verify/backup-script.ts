// Runs the project's own backup script in a copy of the directory, and restores what it leaves.
import { cpSync, mkdtempSync, readFileSync, realpathSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, relative } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { execute, lastLine } from './command.ts';
import { composeModel } from './compose.ts';
import { runningContainer } from './containers.ts';
import { NotApplicable, NotPossible } from './errors.ts';
import { fingerprint, fingerprintSql, mayBeStopped } from './lifecycle.ts';
import { databaseOwner } from './postgres.ts';
import type { Project } from './project.ts';
import { say } from './texts.ts';
import { filesBelow, isSkipped, textOf } from './tree.ts';
import { eventually } from './wait.ts';

/** The script for backups: one with that name or, failing that, one that only dumps. */
function backupScript({ directory }: Project): string | undefined {
  const scripts = filesBelow(directory).filter(isScript);
  const dumping = scripts.filter((path) => /\bpg_dump(?:all)?\b/.test(commandsOf(path)));
  const isNamed = (name: RegExp) => (path: string) =>
    name.test(basename(path)) && !/restore/i.test(basename(path));
  const others = dumping.filter((path) => !changes.test(commandsOf(path)));
  return dumping.find(isNamed(/backup/i)) ?? others.find(isNamed(/dump|bak|save|snapshot/i));
}

const isScript = (path: string) => /\.(?:sh|bash)$/.test(path) || textOf(path).startsWith('#!');

const commandsOf = (path: string) => textOf(path).replaceAll(/^\s*#.*$/gm, '');

/** Commands of a release or a restore, anywhere in the script: verify must not run it. */
const changes =
  /\b(?:up|down|start|stop|restart|kill|volume|prune|pg_restore|psql|dropdb|ssh|git|push|migrate|deploy)\b/i;

/** What is wrong with the script or its backup. Throws as `mayBeStopped` does. */
export async function faultsOfScript(project: Project): Promise<string[]> {
  const script = backupScript(project);
  if (script === undefined) throw new NotApplicable(say('operations.backup-script.no-script'));
  const name = relative(project.directory, script);
  if (!project.options.mayRunScripts)
    throw new NotApplicable(say('operations.backup-script.not-allowed', { script: name }));
  await mayBeStopped(project);
  const before = await fingerprint(project);
  const copy = realpathSync(mkdtempSync(join(tmpdir(), 'verify-backup-')));
  try {
    const filter = (path: string) => !isSkipped(path);
    cpSync(project.directory, copy, { recursive: true, preserveTimestamps: true, filter });
    const from = Date.now();
    const { code, stderr } = await runScript(project, copy, name);
    if (code !== 0) {
      const error = lastLine(stderr);
      return [say('operations.backup-script.fails', { script: name, code, error })];
    }
    const made = filesBelow(copy).filter((path) => statSync(path).mtimeMs >= from - 1);
    const faults = await Promise.all(
      made.filter(isDump).map((path) => faultsOfFile(project, path, before)),
    );
    if (faults.length === 0) return [say('operations.backup-script.no-dump', { script: name })];
    return faults.some((list) => list.length === 0) ? [] : faults.flat();
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
}

/** Runs it as cron would: without a terminal, and on the stack that runs. */
async function runScript(project: Project, copy: string, name: string) {
  const { name: stack } = await composeModel(project);
  const { files = [], envFiles = [] } = project.options;
  const env = {
    ...project.env,
    COMPOSE_PROJECT_NAME: stack,
    ...(files.length > 0 && { COMPOSE_FILE: files.join(':') }),
    ...(envFiles.length > 0 && { COMPOSE_ENV_FILES: envFiles.join(',') }),
  };
  const interpreter = /^#!\s*(?:\S*\/env\s+)?(\S+)/.exec(textOf(join(copy, name)))?.[1] ?? 'sh';
  return execute(interpreter, [name], { cwd: copy, env, limitMs: 90_000 });
}

/** The content of a file, unpacked if it is compressed; empty if that fails. */
function contentOf(path: string): Buffer {
  const content = readFileSync(path);
  if (content[0] !== 0x1f || content[1] !== 0x8b) return content;
  try {
    return gunzipSync(content);
  } catch {
    return Buffer.alloc(0);
  }
}

const isArchive = (content: Buffer) =>
  content.toString('latin1', 0, 5) === 'PGDMP' || content.toString('latin1', 257, 262) === 'ustar';

/** A dump in one of the formats of pg_dump, or what should have been one. */
function isDump(path: string): boolean {
  const content = contentOf(path);
  return isArchive(content) || /\.(?:sql|dump|gz|backup|bak|tar)$/.test(path);
}

/** Restores a dump on a server of its own, without a network, and compares it. */
async function faultsOfFile(project: Project, path: string, before: string): Promise<string[]> {
  const name = basename(path);
  const input = contentOf(path);
  if (input.length === 0) return [say('operations.backup-script.empty', { file: name })];
  const { user, database } = await databaseOwner(project);
  const { Image: image } = await runningContainer(project, 'db');
  const settings = { POSTGRES_USER: user, POSTGRES_DB: database, POSTGRES_PASSWORD: project.mark };
  const variables = Object.entries(settings).flatMap(([key, value]) => ['-e', `${key}=${value}`]);
  const run = [
    'run',
    '--detach',
    '--rm',
    '--network',
    'none',
    '--pull',
    'never',
    ...variables,
    image,
  ];
  const { code, stdout, stderr } = await project.docker(run, { limitMs: 30_000 });
  if (code !== 0) throw new NotPossible(`docker run: ${lastLine(stderr)}`);
  const id = stdout.toString().trim();
  const inServer = (stdin: Buffer | string, program: string, ...args: string[]) =>
    project.docker(['exec', '-i', id, program, '-U', user, '-d', database, ...args], {
      input: stdin,
      limitMs: 60_000,
    });
  try {
    await mustStart(project, id, user, database);
    const restored = isArchive(input)
      ? await inServer(input, 'pg_restore', '--no-owner', '--no-privileges')
      : await inServer(input, 'psql', '--quiet', '--no-psqlrc');
    const asked = await inServer(fingerprintSql, 'psql', '-At', '--no-psqlrc');
    const after = asked.stdout.toString().trim();
    if (after === before) return [];
    const error = lastLine(restored.stderr);
    const rows = after || say('operations.backup-script.nothing-restored');
    return [say('operations.backup-script.other-rows', { file: name, rows, before, error }).trim()];
  } finally {
    await project.docker(['rm', '--force', '--volumes', id]);
  }
}

/** Over TCP: while the image fills the empty volume, the server listens on its socket only. */
async function mustStart(project: Project, id: string, user: string, database: string) {
  const ask = ['exec', id, 'pg_isready', '-h', '127.0.0.1', '-U', user, '-d', database];
  const isReady = async () => (await project.docker(ask)).code === 0;
  if (!(await eventually(isReady, 60_000)))
    throw new NotPossible(say('operations.backup-script.no-server'));
}
