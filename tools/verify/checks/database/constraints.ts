import type { Definition } from '../../check.ts';
import { NotPossible } from '../../errors.ts';
import { sql } from '../../postgres.ts';
import { say } from '../../texts.ts';
import { columnsOf } from './columns.ts';

const countKeysOnId = `
  SELECT count(*)
  FROM pg_index i
  JOIN pg_attribute a ON a.attrelid = i.indrelid AND i.indkey::text = a.attnum::text
  WHERE i.indrelid = 'tasks'::regclass AND i.indisunique AND a.attname = 'id'`;

export const check: Definition = {
  id: 'database.constraints',
  chapter: 'Database operations',
  points: 1,
  async run(project) {
    const columns = await columnsOf(project);
    if (columns.size === 0) throw new NotPossible(say('shared.no-table'));
    const keys = await sql(project, countKeysOnId);
    const faults: string[] = [];
    if (columns.get('title') !== 'NO') faults.push(say('database.constraints.null-title'));
    if (keys === '0') faults.push(say('database.constraints.no-key'));
    return faults;
  },
};
