// The API's JSON of one row, made by PostgreSQL: it has the time to the microsecond, which a JavaScript Date would cut to
// milliseconds, and no object per row is built here.
export const taskJson = `
  '{"id":' || id || ',"title":' || to_json(title) || ',"status":' || to_json(status)
  || ',"created_at":"' || to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US') || '+00:00"}' AS json`;

/** A task as JSON text, ready to send. */
export type TaskJson = string;

export interface Row {
  id: number;
  json: TaskJson;
}
