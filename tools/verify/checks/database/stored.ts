import { type Check, snippet } from '../../check.ts';
import { sql } from '../../postgres.ts';
import { newTask, remove } from '../../tasks.ts';

export const check: Check = {
  id: 'database.stored',
  title: 'A task that the API has created is a row of the table',
  chapter: 'Composing the app',
  points: 3,
  why: 'What an API keeps in memory, or in a file of its container, is gone with the next release.',
  fix: snippet`
    # after each INSERT, UPDATE and DELETE
    conn.commit()
  `,
  async run(project) {
    const task = await newTask(project, 'stored');
    const countRows = `
      SELECT count(*) FROM tasks WHERE id = ${task.id} AND title = '${task.title}'`;
    const rows = await sql(project, countRows);
    await remove(project, task);
    return rows === '1'
      ? []
      : [`the list has task ${task.id}, but the table has ${rows} rows of it`];
  },
};
