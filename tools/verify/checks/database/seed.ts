import type { Definition } from '../../check.ts';
import { NotApplicable } from '../../errors.ts';
import { sqlRows } from '../../postgres.ts';
import { say } from '../../texts.ts';
import { columnsOf } from './columns.ts';

/** How often each title of the first minute is there now. Tasks of the checks do not count. */
const seeds = (mark: string) => `
  WITH theirs AS (SELECT * FROM tasks WHERE position('${mark}' in lower(title)) = 0)
  SELECT title, count(*)
  FROM theirs
  GROUP BY title
  HAVING min(created_at) < (SELECT min(created_at) FROM theirs) + interval '1 minute'
  ORDER BY title`;

export const check: Definition = {
  id: 'database.seed',
  chapter: 'Database operations',
  points: 1,
  async run(project) {
    const columns = await columnsOf(project);
    if (!columns.has('title') || !columns.has('created_at'))
      throw new NotApplicable(say('shared.blocked-by', { check: 'database.table' }));
    const rows = await sqlRows(project, seeds(project.mark));
    const isDoubled = rows.length > 1 && rows.every(([, count]) => Number(count) > 1);
    return isDoubled
      ? rows.map(([title, count]) => say('database.seed.doubled', { count, title }))
      : [];
  },
};
