import { type Check, snippet } from '../../check.ts';
import type { Project } from '../../project.ts';
import { lookUp, newTask, path, seen, update } from '../../tasks.ts';
import { faultsOfOther } from './other-task.ts';

export const check: Check = {
  id: 'api.update',
  title: `PUT or PATCH ${path}/<id> changes the fields that are sent and keeps the rest`,
  chapter: 'Composing the app',
  points: 3,
  why: 'Marking a task done must not erase its title.',
  fix: snippet`
    from psycopg2.extras import RealDictCursor    # rows with the names of their columns
    conn = get_db_connection()    # as your other routes connect
    cur = conn.cursor(cursor_factory=RealDictCursor)
    cur.execute(
        "UPDATE tasks SET title = COALESCE(%s, title), status = COALESCE(%s, status) "
        "WHERE id = %s RETURNING *",
        (data.get("title"), data.get("status"), task_id),
    )
    task = cur.fetchone()
    conn.commit()
    conn.close()
    if task is None:
        return jsonify(error=f"Task {task_id} not found"), 404
    return jsonify(task=task)
  `,
  async run(project) {
    const { id, title } = await newTask(project, 'update');
    const other = await newTask(project, 'must stay as it is');
    const status = 'completed'; // one of the course's three: an API may refuse others
    const faults = await faultsOfUpdate(project, id, { status }, { title, status });
    if (faults.length > 0) return faults;
    const renamed = `${title}, renamed`;
    const sent = { title: renamed };
    return [
      ...(await faultsOfUpdate(project, id, sent, { title: renamed, status })),
      ...(await faultsOfOther(project, other)),
    ];
  },
};

async function faultsOfUpdate(
  project: Project,
  id: number,
  fields: object,
  expected: { title: string; status: string },
): Promise<string[]> {
  const what = JSON.stringify(fields);
  const answer = await update(project, id, fields);
  if (answer.status !== 200) return [seen(`an update to ${what}`, answer)];
  const task = await lookUp(project, (one) => one.id === id);
  if (task?.title === expected.title && task.status === expected.status) return [];
  return [`after an update to ${what} the task is ${JSON.stringify(task)}`];
}
