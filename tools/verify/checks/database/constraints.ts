import { type Check, snippet } from '../../check.ts';
import { NotPossible } from '../../errors.ts';
import { sql } from '../../postgres.ts';
import type { Project } from '../../project.ts';
import { isOfTasks } from '../../table.ts';
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

export const check: Check = {
  id: 'database.constraints',
  title: 'The table itself rejects a task without a title, and a duplicate id',
  chapter: 'Database operations',
  points: 1,
  why: 'Programs change and people use psql: rules that must always hold belong in the table.',
  fix: snippet`
    -- in the init file, for the next empty volume:
    id SERIAL PRIMARY KEY,
    title VARCHAR(255) NOT NULL,
    -- in the database that runs (without ADD PRIMARY KEY, if it has one):
    ALTER TABLE tasks ALTER title SET NOT NULL, ADD PRIMARY KEY (id);
  `,
  async run(project) {
    const columns = await columnsOf(project);
    const missing = ['id', 'title'].find((name) => !columns.has(name));
    if (missing !== undefined) throw new NotPossible(`tasks has no column ${missing}`);
    const keys = await sql(project, countKeysOnId);
    const faults: string[] = [];
    if (columns.get('title') !== 'NO' && !(await rejectsNull(project)))
      faults.push('title may be NULL');
    const byDefault = await sql(project, defaultOfTitle);
    if (byDefault !== '') faults.push(`a task without a title gets ${byDefault}`);
    if (keys === '0') faults.push('id is neither the primary key nor unique');
    return faults;
  },
};
