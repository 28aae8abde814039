// The rows of the table tasks: a copy before the first write, what changed since, and putting back.
import { sql, sqlRows } from './postgres.ts';
import type { Project } from './project.ts';
import { say } from './texts.ts';

/** Every row as JSON, by its id as text. */
export type Rows = Map<string, string>;

const allRows = 'SELECT id, to_jsonb(t) FROM tasks t';

/** The rows as they are now. Throws NotPossible if the table cannot be read. */
export async function rowsOf(project: Project): Promise<Rows> {
  const lines = (await sql(project, allRows)).split('\n').filter(Boolean);
  const split = (line: string) => line.indexOf('|');
  return new Map(lines.map((line) => [line.slice(0, split(line)), line.slice(split(line) + 1)]));
}

/** The rows as they were before the checks wrote anything. Throws NotPossible without a copy. */
export const copyOf = (project: Project): Promise<Rows> =>
  project.once('copy', async () => {
    const rows = await rowsOf(project);
    project.hasCopy = true;
    return rows;
  });

interface Row {
  title?: string | null;
  status?: string | null;
}

/** True for a row that a check has made, or has changed. */
function isOurs(project: Project, json: string): boolean {
  const { title } = JSON.parse(json) as Row;
  return (title ?? '').toLowerCase().includes(project.mark);
}

/** What a request may change. An API may count how often a task was read. */
function contentOf(rows: Rows, id: string): string {
  const { title, status } = JSON.parse(rows.get(id) ?? '{}') as Row;
  return JSON.stringify([title, status]);
}

/** The ids of the copy that are gone, and of those whose row is now another. */
async function lostSince(project: Project): Promise<{ gone: string[]; changed: string[] }> {
  const copy = await copyOf(project);
  const now = await rowsOf(project);
  const ids = [...copy.keys()];
  return {
    gone: ids.filter((id) => !now.has(id)),
    changed: ids.filter((id) => now.has(id) && contentOf(now, id) !== contentOf(copy, id)),
  };
}

/** For the columns of information_schema: the table that `tasks` means, in whichever schema. */
export const isOfTasks = `
  table_name = 'tasks' AND table_schema =
    (SELECT nspname FROM pg_namespace n JOIN pg_class c ON c.relnamespace = n.oid
     WHERE c.oid = to_regclass('tasks'))`;

const columnNames = `
  SELECT quote_ident(column_name) FROM information_schema.columns
  WHERE ${isOfTasks} AND is_generated = 'NEVER'`;

/** Puts back rows of the copy. Throws NotPossible if the table refuses them. */
export async function putBack(project: Project, ids: string[]): Promise<void> {
  const copy = await copyOf(project);
  const columns = (await sqlRows(project, columnNames)).map(([name = '']) => name);
  const others = columns.filter((name) => name !== 'id');
  const statements = ids.flatMap((id) => {
    const row = `jsonb_populate_record(NULL::tasks, ${quoted(copy.get(id) ?? '{}')}::jsonb)`;
    return [
      `INSERT INTO tasks (${columns.join()}) OVERRIDING SYSTEM VALUE
        SELECT ${columns.join()} FROM ${row} ON CONFLICT DO NOTHING;`,
      `UPDATE tasks SET (${others.join()}) = ROW(${others.map((name) => `r.${name}`).join()})
        FROM ${row} r WHERE tasks.id = r.id;`,
    ];
  });
  await sql(project, ['BEGIN;', ...statements, 'COMMIT;'].join('\n'));
}

const quoted = (text: string) => `'${text.replaceAll("'", "''")}'`;

/**
 * Puts back what was lost while a check ran. Returns that as faults of the check; none if there
 * is no copy, or the database does not answer.
 */
export async function faultsOfLoss(project: Project): Promise<string[]> {
  if (!project.hasCopy) return [];
  const lost = await lostSince(project).catch(() => undefined);
  if (!lost) return [];
  const { gone, changed } = lost;
  if (gone.length + changed.length === 0) return [];
  const ending = await putBack(project, [...gone, ...changed]).then(
    () => say('shared.put-back'),
    (error: unknown) => say('shared.not-put-back', { error: (error as Error).message }),
  );
  const list = (ids: string[]) => `${ids.slice(0, 5).join(', ')}${ids.length > 5 ? ', …' : ''}`;
  return [
    ...(gone.length > 0 ? [say('shared.tasks-gone', { ids: list(gone) })] : []),
    ...(changed.length > 0 ? [say('shared.tasks-changed', { ids: list(changed) })] : []),
    ending,
  ];
}

/**
 * The ids of the rows that a POST has made since then. Without our mark or an empty title, a row is
 * ours only if the API says that it made one: it may be somebody else's.
 */
export async function addedSince(
  project: Project,
  before: Rows,
  isCreated: boolean,
): Promise<string[]> {
  const rows = [...(await rowsOf(project))].filter(([id]) => !before.has(id));
  const marked = rows.filter(([, json]) => isOurs(project, json));
  const untitled = rows.filter(([, json]) => !(JSON.parse(json) as Row).title);
  const ours = [...marked, ...untitled];
  return (ours.length === 0 && isCreated ? rows : ours).map(([id]) => id);
}

/** Deletes these rows, and every row with our mark. Throws NotPossible. */
export async function deleteOurs(project: Project, ids: Iterable<string>): Promise<void> {
  const list = [...ids].map(quoted).join();
  await sql(
    project,
    `DELETE FROM tasks
     WHERE position('${project.mark}' in lower(title)) > 0 OR id::text = ANY(ARRAY[${list}]::text[])`,
  );
}
