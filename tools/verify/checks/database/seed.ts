import { type Check, snippet } from '../../check.ts';
import { NotApplicable } from '../../errors.ts';
import { sqlRows } from '../../postgres.ts';
import { columnsOf } from './columns.ts';

/** How often each title of the first minute is there now. Tasks of the checks do not count. */
const seeds = (mark: string) => `
  WITH theirs AS (SELECT * FROM tasks WHERE position('${mark}' in lower(title)) = 0)
  SELECT title, count(*)
  FROM theirs
  GROUP BY title
  HAVING min(created_at) < (SELECT min(created_at) FROM theirs) + interval '1 minute'`;

export const check: Check = {
  id: 'database.seed',
  title: 'The tasks of the init files are there once',
  chapter: 'Database operations',
  points: 1,
  why: 'An API that inserts them at each start, or in each of its workers, adds more every time.',
  fix: snippet`
    # insert them in db/init only, which runs once, and not when the API starts
    docker compose down -v    # deletes all tasks
    docker compose up -d --build
  `,
  async run(project) {
    const columns = await columnsOf(project);
    if (!columns.has('title') || !columns.has('created_at'))
      throw new NotApplicable('blocked by database.table');
    const rows = await sqlRows(project, seeds(project.mark));
    const isDoubled = rows.length > 1 && rows.every(([, count]) => Number(count) > 1);
    return isDoubled ? rows.map(([title, count]) => `${count} tasks are "${title}"`) : [];
  },
};
