import { type Check, snippet } from '../../check.ts';
import { newTask, path, remove, seen } from '../../tasks.ts';
import { faultsOfOther } from './other-task.ts';

export const check: Check = {
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
