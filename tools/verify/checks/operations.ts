import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Check } from '../check.ts';
import { lastLine } from '../command.ts';
import { downAndUp, fingerprint, mayBeStopped, reboot } from '../lifecycle.ts';
import type { Project } from '../project.ts';
import { newTask, remove } from '../tasks.ts';

const terminateRestores =
  "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'pg_restore'";

/** Restores a dump into a new database and compares it; then, as it is known to be good, in place. Returns what is wrong. */
async function backUpAndRestore(project: Project): Promise<string[]> {
  await mayBeStopped(project);
  const before = await fingerprint(project);
  const dump = await project.inDatabase(['pg_dump', '--format=custom'], { limitMs: 60_000 });
  if (dump.code !== 0) return [`pg_dump: ${lastLine(dump.stderr)}`];

  const scratch = project.mark.replace('-', '_');
  await project.sql(`CREATE DATABASE ${scratch} TEMPLATE template0`);
  try {
    const restored = await project.inDatabase(['pg_restore', '--exit-on-error'], {
      database: scratch,
      input: dump.stdout,
      limitMs: 60_000,
    });
    if (restored.code !== 0)
      return [`pg_restore into an empty database: ${lastLine(restored.stderr)}`];
    const copy = await fingerprint(project, scratch);
    if (copy !== before) return [`the dump has ${copy}, the database ${before}`];
  } finally {
    await project.sql(`DROP DATABASE ${scratch} WITH (FORCE)`);
  }

  const later = await newTask(project, 'made after the dump');
  try {
    // All or nothing: a restore that fails leaves everything as it is.
    const options = { input: dump.stdout, limitMs: 20_000 };
    const restored = await project
      .inDatabase(['pg_restore', '--clean', '--if-exists', '--single-transaction'], options)
      .catch((error: unknown) => error as Error);
    if (restored instanceof Error)
      return [`${restored.message}: does a connection of the API keep a lock on the table?`];
    if (restored.code !== 0) return [`pg_restore --clean: ${lastLine(restored.stderr)}`];
  } finally {
    await project.sql(terminateRestores);
  }
  project.created.delete(later.id);
  const after = await fingerprint(project);
  if (after !== before) {
    const kept = join(mkdtempSync(join(tmpdir(), 'verify-')), 'before.dump');
    writeFileSync(kept, dump.stdout, { mode: 0o600 });
    return [`before the dump: ${before}; after the restore: ${after}; the dump is ${kept}`];
  }
  const last = await newTask(project, 'made after the restore').catch(
    (error: unknown) => error as Error,
  );
  if (last instanceof Error) return [`after the restore ${last.message}`];
  await remove(project, last);
  return [];
}

export const operations: Check[] = [
  {
    id: 'operations.backup',
    title: 'A dump restores all rows, and the API keeps working',
    chapter: 'Backups',
    points: 3,
    destructive: true,
    why: 'A backup that nobody has restored is only a hope.',
    fix: 'docker compose exec -T db pg_dump -Fc -U taskapp taskdb > x.dump\ndocker compose exec -T db pg_restore -U taskapp -d taskdb --clean < x.dump',
    run: backUpAndRestore,
  },
  {
    id: 'operations.down-up',
    title: 'All rows survive docker compose down and up',
    chapter: 'Volumes',
    points: 3,
    destructive: true,
    why: 'down removes every container: only what is in a named volume survives.',
    fix: 'db:\n  volumes:\n    - pgdata:/var/lib/postgresql/data\nvolumes:\n  pgdata:',
    run: downAndUp,
  },
  {
    id: 'operations.reboot',
    title: 'The application works after all containers start in any order, as after a reboot',
    chapter: 'Production patterns',
    points: 3,
    destructive: true,
    why: 'After a reboot, the engine itself starts the containers, in any order: only docker compose looks at depends_on.',
    fix: '# on every service: one that exits because another is not up yet then tries again\nrestart: unless-stopped',
    run: reboot,
  },
];
