import { type Check, snippet } from '../../check.ts';
import type { Answer } from '../../http.ts';
import type { Project } from '../../project.ts';
import { lookUp, newTask, path, seen, type Task, update, write } from '../../tasks.ts';
import { request } from '../../web.ts';

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
    for (const [what, send] of requests) {
      for (const id of ['word', ...statementsFor(task)]) {
        const answer = await send(project, id);
        const shown = `${what} ${path}/${decodeURIComponent(id)}`;
        if (!isRefused(answer.status)) faults.push(seen(shown, answer));
        const now = await lookUp(project, (candidate) => candidate.id === task.id);
        // There is nothing left to try it on.
        if (now?.status !== task.status)
          return [`${shown} has changed task ${task.id}: the id is a part of the statement`];
      }
    }
    return faults;
  },
};

/** Everything that takes an id, what deletes last. */
const requests: [string, (project: Project, id: string) => Promise<Answer>][] = [
  ['GET', (project, id) => request(project, `${path}/${id}`)],
  ['an update of', (project, id) => update(project, id, { status: 'completed' })],
  ['DELETE', (project, id) => write(project, `${path}/${id}`, { method: 'DELETE' })],
];

const isRefused = (status: number) => status >= 400 && status < 500;

/** Ids that mean our task if they become a part of a statement, and no task otherwise. */
function statementsFor({ id, title }: Task): string[] {
  const byTitle = `title = '${title}'`;
  return [`0-(-${id})`, `0 OR ${byTitle}`, `0' OR ${byTitle} -- `].map(encodeURIComponent);
}
