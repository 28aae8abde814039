import { hash } from 'node:crypto';
import type { Db, Statement } from '../db.ts';
import { type Cursor, encodeCursor } from './cursor.ts';
import { type ListQuery, type Row, taskJson } from './schema.ts';

/** One page of the list, newest first. */
export interface Page {
  /** `{"tasks": […], "next_cursor": …}`, ready to send. */
  json: Buffer;
  /** Identifies the content: equal pages have equal tags, on every replica. */
  etag: string;
  /** Where the next page starts; undefined on the last one. */
  nextCursor: string | undefined;
}

export async function listTasks(db: Db, query: ListQuery): Promise<Page> {
  const rows = await db.read<Pick<Row, 'json'>>(listStatement(query));
  const tasks = rows.slice(0, query.limit).map((row) => row.json);
  const last = tasks.at(-1);
  const hasMore = rows.length > query.limit;
  const nextCursor = hasMore && last ? encodeCursor(JSON.parse(last) as Cursor) : undefined;
  const next = nextCursor === undefined ? '' : `,"next_cursor":"${nextCursor}"`;
  const json = Buffer.from(`{"tasks":[${tasks.join(',')}]${next}}`);
  return { json, etag: `"${hash('sha1', json, 'base64url')}"`, nextCursor };
}

// How a search compares titles: in canonical form, ignoring case. lower() alone would keep ς and σ
// apart. normalize() is slow, so it runs only on titles that need it. 02_indexes.sql has the same
// expression.
const comparedTitle =
  'lower(upper(CASE WHEN title IS NFC NORMALIZED THEN title ELSE normalize(title, NFC) END))';

/** PostgreSQL, not Node, puts q in canonical form: Node may have a different version of Unicode. */
const comparedPattern = (parameter: string) => `lower(upper(normalize(${parameter}, NFC)))`;

/** A LIKE pattern that finds `part` anywhere. */
const patternOf = (part: string) => `%${part.replace(/[\\%_]/g, '\\$&')}%`;

function listStatement({ limit, status, q, cursor }: ListQuery): Statement {
  const values: unknown[] = [limit + 1]; // the extra row shows whether there is a next page
  const parameter = (value: unknown) => {
    values.push(value);
    return `$${values.length}`;
  };
  const conditions = ['true'];
  if (status !== undefined) conditions.push(`status = ${parameter(status)}`);
  if (q) {
    conditions.push(`${comparedTitle} LIKE ${comparedPattern(parameter(patternOf(q)))}`);
  }
  if (cursor) {
    const [createdAt, id] = [parameter(cursor.created_at), parameter(cursor.id)];
    conditions.push(`(created_at, -id) < (${createdAt}, -${id}::int)`);
  }
  const filters = `${status === undefined ? '' : '-status'}${cursor ? '-cursor' : ''}`;
  return {
    // A search is not prepared, because one plan would not suit both rare and frequent words.
    name: q ? '' : `list${filters}`,
    kind: q ? 'search' : 'list',
    // Both columns descend, so that the cursor is one row comparison: see 02_indexes.sql.
    // The inner SELECT keeps PostgreSQL from writing JSON for rows that the limit drops.
    text: `
      SELECT ${taskJson} FROM (
        SELECT * FROM tasks WHERE ${conditions.join(' AND ')}
        ORDER BY created_at DESC, -id DESC LIMIT $1
      ) AS page`,
    values,
  };
}
