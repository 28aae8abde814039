// What an update and a deletion change, and what they must not.
import { type Check, snippet } from '../check.ts';
import type { Project } from '../project.ts';
import { lookUp, newTask, path, remove, seen, type Task, update } from '../tasks.ts';

const updating: Check = {
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

/** What happened to a task that no request was about. */
async function faultsOfOther(project: Project, other: Task): Promise<string[]> {
  const task = await lookUp(project, ({ id }) => id === other.id);
  if (task?.title === other.title && task.status === other.status) return [];
  return [`another task was ${JSON.stringify(other)}, and is now ${JSON.stringify(task)}`];
}

const deletion: Check = {
  id: 'api.delete',
  title: `DELETE ${path}/<id> returns 200, and the task is gone`,
  chapter: 'Composing the app',
  points: 2,
  why: 'An answer that says "deleted" must be true.',
  fix: snippet`
    conn = get_db_connection()    # as your other routes connect
    cur = conn.cursor()
    cur.execute("DELETE FROM tasks WHERE id = %s RETURNING id", (task_id,))
    deleted = cur.fetchone()
    conn.commit()
    conn.close()
    if deleted is None:
        return jsonify(error=f"Task {task_id} not found"), 404
    return jsonify(message=f"Task {task_id} deleted")
  `,
  async run(project) {
    const task = await newTask(project, 'delete');
    const other = await newTask(project, 'must stay');
    const { answer, isLeft } = await remove(project, task);
    const isOk = answer.status === 200 && answer.json !== undefined;
    const faults: string[] = [];
    if (!isOk && answer.status !== 204) faults.push(seen('DELETE', answer));
    if (isLeft) faults.push('the task is still there');
    return [...faults, ...(await faultsOfOther(project, other))];
  },
};

export const apiChanges: Check[] = [updating, deletion];
