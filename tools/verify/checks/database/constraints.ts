import { type Check, snippet } from '../../check.ts';
import { NotPossible } from '../../errors.ts';
import { sql } from '../../postgres.ts';
import { columnsOf } from './columns.ts';

const countKeysOnId = `
  SELECT count(*)
  FROM pg_index i
  JOIN pg_attribute a ON a.attrelid = i.indrelid AND i.indkey::text = a.attnum::text
  WHERE i.indrelid = 'tasks'::regclass AND i.indisunique AND a.attname = 'id'`;

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
    if (columns.size === 0) throw new NotPossible('there is no table tasks');
    const keys = await sql(project, countKeysOnId);
    const faults: string[] = [];
    if (columns.get('title') !== 'NO') faults.push('title may be NULL');
    if (keys === '0') faults.push('id is neither the primary key nor unique');
    return faults;
  },
};
