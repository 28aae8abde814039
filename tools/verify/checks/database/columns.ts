import { sqlRows } from '../../postgres.ts';
import type { Project } from '../../project.ts';
import { isOfTasks } from '../../table.ts';

const selectColumns = `
  SELECT column_name, is_nullable
  FROM information_schema.columns
  WHERE ${isOfTasks}`;

/** The columns of tasks, each with YES if it may be NULL; none without the table. */
export function columnsOf(project: Project): Promise<Map<string, string>> {
  return project.once('columns', async () => {
    const rows = await sqlRows(project, selectColumns);
    return new Map(rows.map(([name = '', isNullable = '']) => [name, isNullable]));
  });
}
