// Dumps the database and restores the dump, as the backup check does it.
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { lastLine } from './command.ts';
import { fingerprint, mayBeStopped } from './lifecycle.ts';
import { inDatabase, sql } from './postgres.ts';
import type { Project } from './project.ts';
import { newTask, remove } from './tasks.ts';
import { say } from './texts.ts';

/**
 * Restores a dump into a new database and compares it; then, as the dump is good, in place.
 * Returns what is wrong. Throws as `mayBeStopped` does.
 */
export async function backUpAndRestore(project: Project): Promise<string[]> {
  await mayBeStopped(project);
  const before = await fingerprint(project);
  const {
    code,
    stdout: dump,
    stderr,
  } = await inDatabase(project, ['pg_dump', '--format=custom'], { limitMs: 60_000 });
  if (code !== 0) return [`pg_dump: ${lastLine(stderr)}`];

  const faults = await faultsOfCopy(project, dump, before);
  if (faults.length > 0) return faults;
  const lost = await faultsOfRestore(project, dump, before);
  return lost.length > 0 ? lost : faultsOfApi(project);
}

/** Restores the dump into a database of its own, which is dropped again. */
async function faultsOfCopy(project: Project, dump: Buffer, before: string): Promise<string[]> {
  const scratch = project.mark.replace('-', '_');
  await sql(project, `CREATE DATABASE ${scratch} TEMPLATE template0`);
  try {
    const options = { database: scratch, input: dump, limitMs: 60_000 };
    const restore = ['pg_restore', '--exit-on-error'];
    const { code, stderr } = await inDatabase(project, restore, options);
    if (code !== 0) return [say('operations.backup.no-restore', { error: lastLine(stderr) })];
    const copy = await fingerprint(project, scratch);
    return copy === before ? [] : [say('operations.backup.other-copy', { copy, before })];
  } finally {
    await sql(project, `DROP DATABASE ${scratch} WITH (FORCE)`);
  }
}

/** Restores the dump over a database that has one task more. */
async function faultsOfRestore(project: Project, dump: Buffer, before: string): Promise<string[]> {
  const later = await newTask(project, 'made after the dump');
  const faults = await restoreInPlace(project, dump);
  if (faults.length > 0) return faults;
  project.created.delete(String(later.id));
  const after = await fingerprint(project);
  if (after === before) return [];
  return [say('operations.backup.other-restore', { before, after, path: keep(dump) })];
}

const endRestores = `
  SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'pg_restore'`;

async function restoreInPlace(project: Project, dump: Buffer): Promise<string[]> {
  // All or nothing: a restore that fails changes nothing.
  const restore = ['pg_restore', '--clean', '--if-exists', '--single-transaction'];
  try {
    const { code, stderr } = await inDatabase(project, restore, { input: dump, limitMs: 20_000 });
    return code === 0 ? [] : [`pg_restore --clean: ${lastLine(stderr)}`];
  } catch (error) {
    return [say('operations.backup.lock', { error: (error as Error).message })];
  } finally {
    await sql(project, endRestores);
  }
}

/** Keeps a dump in a file that only its owner can read. Returns its path. */
function keep(dump: Buffer): string {
  const path = join(mkdtempSync(join(tmpdir(), 'verify-')), 'before.dump');
  writeFileSync(path, dump, { mode: 0o600 });
  return path;
}

async function faultsOfApi(project: Project): Promise<string[]> {
  const task = await newTask(project, 'made after the restore').catch(
    (error: unknown) => error as Error,
  );
  if (task instanceof Error) return [say('operations.backup.no-task', { error: task.message })];
  await remove(project, task);
  return [];
}
