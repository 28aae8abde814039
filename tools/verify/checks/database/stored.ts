import type { Definition } from '../../check.ts';
import { sql } from '../../postgres.ts';
import { newTask, remove } from '../../tasks.ts';
import { say } from '../../texts.ts';

export const check: Definition = {
  id: 'database.stored',
  chapter: 'Composing the app',
  points: 3,
  async run(project) {
    const task = await newTask(project, 'stored');
    const countRows = `
      SELECT count(*) FROM tasks WHERE id = ${task.id} AND title = '${task.title}'`;
    const rows = await sql(project, countRows);
    await remove(project, task);
    return rows === '1' ? [] : [say('database.stored.not-stored', { id: task.id, rows })];
  },
};
