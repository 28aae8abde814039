import type { Definition } from '../../check.ts';
import { NotApplicable } from '../../errors.ts';
import { sqlRows } from '../../postgres.ts';
import { say } from '../../texts.ts';
import { columnsOf } from './columns.ts';

const firstMinute = `
  SELECT title, count(*)
  FROM tasks
  WHERE created_at < (SELECT min(created_at) FROM tasks) + interval '1 minute'
  GROUP BY title`;

export const check: Definition = {
  id: 'database.seed',
  chapter: 'Database operations',
  points: 1,
  async run(project) {
    const columns = await columnsOf(project);
    if (!columns.has('title') || !columns.has('created_at'))
      throw new NotApplicable(say('shared.blocked-by', { check: 'database.table' }));
    const rows = await sqlRows(project, firstMinute);
    const isDoubled = rows.length > 1 && rows.every(([, count]) => Number(count) > 1);
    return isDoubled
      ? rows.map(([title, count]) => say('database.seed.doubled', { count, title }))
      : [];
  },
};
