import type { Definition } from '../../check.ts';
import { NotPossible } from '../../errors.ts';
import { sql } from '../../postgres.ts';
import type { Project } from '../../project.ts';
import { isOfTasks } from '../../table.ts';
import { say } from '../../texts.ts';
import { columnsOf } from './columns.ts';

const countKeysOnId = `
  SELECT count(*)
  FROM pg_index i
  JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
  WHERE i.indrelid = 'tasks'::regclass AND a.attname = 'id'
    AND i.indisunique AND i.indisvalid AND i.indnkeyatts = 1 AND i.indpred IS NULL`;

const defaultOfTitle = `
  SELECT column_default FROM information_schema.columns
  WHERE ${isOfTasks} AND column_name = 'title' AND column_default IS NOT NULL`;

const withoutTitle = `
  BEGIN;
  UPDATE tasks SET title = NULL WHERE id = (SELECT min(id) FROM tasks);
  ROLLBACK;`;

/** A rule of the table may be a CHECK or a trigger as well: it is tried, and not kept. */
const rejectsNull = (project: Project): Promise<boolean> =>
  sql(project, withoutTitle).then(
    () => false,
    () => true,
  );

export const check: Definition = {
  id: 'database.constraints',
  chapter: 'Database operations',
  points: 1,
  async run(project) {
    const columns = await columnsOf(project);
    const missing = ['id', 'title'].find((name) => !columns.has(name));
    if (missing !== undefined) throw new NotPossible(say('shared.no-column', { column: missing }));
    const keys = await sql(project, countKeysOnId);
    const faults: string[] = [];
    if (columns.get('title') !== 'NO' && !(await rejectsNull(project)))
      faults.push(say('database.constraints.null-title'));
    const byDefault = await sql(project, defaultOfTitle);
    if (byDefault !== '')
      faults.push(say('database.constraints.default-title', { title: byDefault }));
    if (keys === '0') faults.push(say('database.constraints.no-key'));
    return faults;
  },
};
