// The rows of the table tasks: a copy before the first write, what changed since, and putting back.
// Deleting a task can delete or change the rows that refer to it, so they are copied too.
import { NotPossible } from './errors.ts';
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
  isTasks: boolean;
  /** Without those that PostgreSQL computes. */
  columns: string[];
  /** Those of them that an UPDATE may set. */
  settable: string[];
  /** The columns of its primary key; none without one. */
  key: string[] | null;
  /** Those that refer to one of these tables. */
  references: string[] | null;
  /** Not set if the table cannot be read, or is too large. */
  rows?: string[] | undefined;
}

/** tasks, and what refers to it by foreign keys, directly or by way of another table. */
const selectTables = `
  WITH RECURSIVE referring(id) AS (
    SELECT to_regclass('tasks')::oid
    UNION
    SELECT conrelid FROM referring JOIN pg_constraint ON confrelid = id
    WHERE contype = 'f' AND conparentid = 0
  ), column_of AS (
    SELECT attrelid, attnum, quote_ident(attname) AS name, attgenerated, attidentity
    FROM pg_attribute WHERE attnum > 0 AND NOT attisdropped
  )
  SELECT json_build_object(
    'name', id::regclass::text,
    'isTasks', id = to_regclass('tasks'),
    'columns', (SELECT json_agg(name) FROM column_of WHERE attrelid = id AND attgenerated = ''),
    'settable', (
      SELECT json_agg(name) FROM column_of
      WHERE attrelid = id AND attgenerated = '' AND attidentity <> 'a'),
    'key', CASE WHEN id = to_regclass('tasks') THEN '["id"]' ELSE (
      SELECT json_agg(name) FROM pg_index JOIN column_of ON attrelid = indrelid
      WHERE indrelid = id AND indisprimary AND attnum = ANY (indkey)) END,
    'references', (
      SELECT json_agg(DISTINCT name) FROM pg_constraint JOIN column_of ON attrelid = conrelid
      WHERE conrelid = id AND contype = 'f' AND attnum = ANY (conkey)
        AND confrelid IN (SELECT id FROM referring)))
  FROM referring`;

/** These tables, as they were before the checks wrote anything. */
const copiesOf = (project: Project): Promise<Copy[]> =>
  project.once('copies', async () => {
    const linesOf = async (statement: string) =>
      (await sql(project, statement)).split('\n').filter(Boolean);
    const tables = (await linesOf(selectTables)).map((line) => JSON.parse(line) as Copy);
    for (const table of tables) {
      const rows = linesOf(`SELECT to_jsonb(present) FROM ${table.name} present`);
      table.rows = await rows.catch(() => undefined);
    }
    return tables;
  });

/** Puts back rows of the copy. Throws NotPossible if a table refuses them, or was not copied. */
async function putBack(project: Project, { gone, changed }: Lost): Promise<void> {
  const copy = await copyOf(project);
  const tables = await copiesOf(project);
  const affected = gone.length > 0 ? tables : [];
  const old = changed.flatMap((id) => copy.get(id) ?? []);
  const statements = [
    ...affected.flatMap(restore),
    ...tables.filter(({ isTasks }) => isTasks).flatMap((tasks) => set(tasks, tasks.settable, old)),
  ];
  // Foreign keys and triggers do not act again: what they did is a part of the copy.
  const silently = 'SET LOCAL session_replication_role = replica;';
  await sql(project, ['BEGIN;', silently, ...statements, 'COMMIT;'].join('\n'));
  const missing = affected.filter(({ rows }) => !rows).map(({ name }) => name);
  if (missing.length > 0)
    throw new NotPossible(say('shared.not-copied', { tables: missing.join(', ') }));
}

/** Adds the rows that are missing, and sets the references that ON DELETE has cleared. */
function restore(table: Copy): string[] {
  const { name, columns, key, references, rows = [] } = table;
  const add = `
    INSERT INTO ${name} (${columns.join()}) OVERRIDING SYSTEM VALUE
    SELECT ${columns.join()} FROM ${asRows(name, rows)}
    WHERE NOT EXISTS (SELECT FROM ${name} present WHERE ${isSameRow(key)});`;
  if (!references) return [add];
  return key
    ? [add, ...set(table, references, rows)]
    : [removeCleared(name, references, rows), add];
}

/** Gives columns of rows with a key the values that they had. */
function set({ name, key, settable }: Copy, columns: string[], rows: string[]): string[] {
  const others = columns.filter((column) => settable.includes(column) && !key?.includes(column));
  if (others.length === 0 || rows.length === 0) return [];
  const valuesOf = (row: string) => `ROW(${others.map((column) => `${row}.${column}`).join()})`;
  const update = `
    UPDATE ${name} present SET (${others.join()}) = ${valuesOf('copied')}
    FROM ${asRows(name, rows)}
    WHERE ${isSameRow(key)} AND to_jsonb(${valuesOf('present')}) <> to_jsonb(${valuesOf('copied')});`;
  return [update];
}

/** Removes what is left of rows without a key: those of the copy, but without their reference. */
function removeCleared(name: string, references: string[], rows: string[]): string {
  const plain = (column: string) => column.replace(/^"(.*)"$/s, '$1').replaceAll('""', '"');
  const others = `- ARRAY[${references.map((column) => quoted(plain(column))).join()}]`;
  const isCleared = references.map((column) => `present.${column} IS NULL`).join(' OR ');
  return `
    DELETE FROM ${name} present USING ${asRows(name, rows)}
    WHERE (${isCleared}) AND to_jsonb(present) ${others} = to_jsonb(copied) ${others}
      AND to_jsonb(present) NOT IN (SELECT to_jsonb(copied) FROM ${asRows(name, rows)});`;
}

const asRows = (table: string, rows: string[]) =>
  `jsonb_populate_recordset(NULL::${table}, ${quoted(`[${rows.join()}]`)}::jsonb) copied`;

/** Compares a row of the table with one of the copy. */
const isSameRow = (key: string[] | null) =>
  key?.map((column) => `present.${column} = copied.${column}`).join(' AND ') ??
  'to_jsonb(present) = to_jsonb(copied)';

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
