import { type Check, snippet } from '../../check.ts';
import { NotApplicable } from '../../errors.ts';
import { sqlRows } from '../../postgres.ts';
import { columnsOf } from './columns.ts';

const firstMinute = `
  SELECT title, count(*)
  FROM tasks
  WHERE created_at < (SELECT min(created_at) FROM tasks) + interval '1 minute'
  GROUP BY title
  ORDER BY title`;

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
    const rows = await sqlRows(project, firstMinute);
    const isDoubled = rows.length > 1 && rows.every(([, count]) => Number(count) > 1);
    return isDoubled ? rows.map(([title, count]) => `${count} tasks are "${title}"`) : [];
  },
};
