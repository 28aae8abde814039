// The rows of the table tasks: a copy before the first write, what changed since, and putting back.
// What refers to a task may be gone with it, so the copy has that as well.
import { sql } from './postgres.ts';
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
    await copiesOf(project);
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
interface Lost {
  gone: string[];
  changed: string[];
}

async function lostSince(project: Project): Promise<Lost> {
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

/** A table with its rows as they were, as JSON. The names are as SQL has them. */
interface Copy {
  name: string;
  /** Without those that PostgreSQL fills. */
  columns: string[];
  /** The columns of its primary key; none without one. */
  key: string[] | null;
  rows: string[];
}

/** tasks, and what refers to it by foreign keys: each table after those that it refers to. */
const selectTables = `
  WITH RECURSIVE referring AS (
    SELECT to_regclass('tasks')::oid AS id, 0 AS depth
    UNION
    SELECT conrelid, depth + 1 FROM referring JOIN pg_constraint ON confrelid = id
    WHERE contype = 'f' AND conparentid = 0 AND conrelid <> confrelid AND depth < 9
  )
  SELECT json_build_object(
    'name', id::regclass::text,
    'columns', (
      SELECT json_agg(quote_ident(attname)) FROM pg_attribute
      WHERE attrelid = id AND attnum > 0 AND NOT attisdropped AND attgenerated = ''),
    'key', CASE WHEN id = to_regclass('tasks') THEN '["id"]' ELSE (
      SELECT json_agg(quote_ident(attname)) FROM pg_index
      JOIN pg_attribute ON attrelid = indrelid AND attnum = ANY (indkey)
      WHERE indrelid = id AND indisprimary) END)
  FROM referring GROUP BY id ORDER BY max(depth)`;

/** These tables, as they were before the checks wrote anything. */
const copiesOf = (project: Project): Promise<Copy[]> =>
  project.once('copies', async () => {
    const linesOf = async (statement: string) =>
      (await sql(project, statement)).split('\n').filter(Boolean);
    const tables = (await linesOf(selectTables)).map((line) => JSON.parse(line) as Copy);
    for (const table of tables)
      table.rows = await linesOf(`SELECT to_jsonb(t) FROM ${table.name} t`);
    return tables;
  });

/** Puts back rows of the copy. Throws NotPossible if a table refuses them. */
async function putBack(project: Project, { gone, changed }: Lost): Promise<void> {
  const copy = await copyOf(project);
  const tables = await copiesOf(project);
  const rows = changed.flatMap((id) => copy.get(id) ?? []);
  const onlyChanged = tables.slice(0, 1).map((tasks) => ({ ...tasks, rows }));
  const statements = (gone.length > 0 ? tables : onlyChanged).flatMap(statementsFor);
  await sql(project, ['BEGIN;', ...statements, 'COMMIT;'].join('\n'));
}

/** Adds the rows that are missing. Then gives the others their values: a reference may be NULL. */
function statementsFor({ name, columns, key, rows }: Copy): string[] {
  const copy = `jsonb_populate_recordset(NULL::${name}, ${quoted(`[${rows.join()}]`)}::jsonb) c`;
  const hasSameKey = (key ?? []).map((column) => `t.${column} = c.${column}`).join(' AND ');
  const isSame = hasSameKey || 'to_jsonb(t) = to_jsonb(c)';
  const insert = `
    INSERT INTO ${name} (${columns.join()}) OVERRIDING SYSTEM VALUE
    SELECT ${columns.join()} FROM ${copy}
    WHERE NOT EXISTS (SELECT FROM ${name} t WHERE ${isSame}) ON CONFLICT DO NOTHING;`;
  const others = columns.filter((column) => !key?.includes(column));
  if (key === null || others.length === 0) return [insert];
  const values = others.map((column) => `c.${column}`).join();
  const update = `
    UPDATE ${name} t SET (${others.join()}) = ROW(${values}) FROM ${copy}
    WHERE ${isSame} AND to_jsonb(t) <> to_jsonb(c);`;
  return [insert, update];
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
  const ending = await putBack(project, lost).then(
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
