import { type Check, snippet } from '../../check.ts';
import type { Project } from '../../project.ts';
import { lookUp, newTask, path, seen, type Task, update, write } from '../../tasks.ts';

export const check: Check = {
  id: 'api.wrong-id',
  title: 'An id that is no number returns 4xx, and never becomes a part of the statement',
  chapter: 'Composing the app',
  points: 2,
  why: 'What becomes a part of the statement can delete every task. A 500 is a fault of the server.',
  fix: snippet`
    @app.put("/api/tasks/<int:task_id>")
    # a parameter, never an f-string
    cur.execute("UPDATE tasks SET status = %s WHERE id = %s", (status, task_id))
  `,
  async run(project) {
    const task = await newTask(project, 'wrong id');
    const faults: string[] = [];
    for (const id of ['word', ...statementsFor(task)])
      faults.push(...(await faultsOfId(project, id, task)));
    const deleted = await write(project, `${path}/word`, { method: 'DELETE' });
    if (!isRefused(deleted.status)) faults.push(seen(`DELETE ${path}/word`, deleted));
    return faults;
  },
};

const isRefused = (status: number) => status >= 400 && status < 500;

/** Ids that mean our task if they become a part of a statement, and no task otherwise. */
function statementsFor({ id, title }: Task): string[] {
  const byTitle = `title = '${title}'`;
  return [`0-(-${id})`, `0 OR ${byTitle}`, `0' OR ${byTitle} -- `].map(encodeURIComponent);
}

async function faultsOfId(project: Project, id: string, task: Task): Promise<string[]> {
  const what = `an update of ${path}/${decodeURIComponent(id)}`;
  const answer = await update(project, id, { status: 'completed' });
  const faults = isRefused(answer.status) ? [] : [seen(what, answer)];
  const now = await lookUp(project, (candidate) => candidate.id === task.id);
  if (now?.status === task.status) return faults;
  return [`${what} has changed task ${task.id}: the id is a part of the statement`];
}
