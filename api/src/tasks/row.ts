import { columns } from './schema.ts';

/** The columns that a request sets, as SQL lists them. */
export const columnList = columns.join(', ');

/**
 * The API's JSON of one row. PostgreSQL writes it: created_at keeps its microseconds, which a Date
 * would lose, and the API builds no object per row.
 */
export const taskJson = `(
  SELECT row_to_json(task)::text FROM (SELECT id, ${columnList},
    to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"') AS created_at
  ) AS task) AS json`;

/** A task as JSON text, ready to send. */
export type TaskJson = string;

export interface Row {
  id: number;
  json: TaskJson;
}
