import { sqlRows } from '../../postgres.ts';
import type { Project } from '../../project.ts';
import { isOfTasks } from '../../table.ts';

const selectColumns = `SELECT column_name FROM information_schema.columns WHERE ${isOfTasks}`;

/** The names of the columns of tasks; none without the table. */
export function columnsOf(project: Project): Promise<Set<string>> {
  return project.once('columns', async () => {
    const rows = await sqlRows(project, selectColumns);
    return new Set(rows.map(([name = '']) => name));
  });
}
