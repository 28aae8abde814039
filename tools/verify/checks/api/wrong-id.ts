import type { Definition } from '../../check.ts';
import { NotPossible } from '../../errors.ts';
import type { Answer } from '../../http.ts';
import type { Project } from '../../project.ts';
import { lookUp, newTask, path, seen, type Task, update, write } from '../../tasks.ts';
import { say } from '../../texts.ts';
import { request } from '../../web.ts';

export const check: Definition = {
  id: 'api.wrong-id',
  chapter: 'Composing the app',
  points: 2,
  async run(project) {
    const task = await newTask(project, 'wrong id');
    const faults: string[] = [];
    for (const id of ['word', ...statementsFor(task)]) {
      const answer = await request(project, `${path}/${id}`);
      if (answer.status >= 500 || answer.text.includes(project.mark))
        faults.push(seen(`GET ${path}/${decodeURIComponent(id)}`, answer));
    }
    for (const [nameOf, send] of changes) {
      for (const id of ['word', ...statementsFor(task)]) {
        const answer = await send(project, id);
        const what = nameOf(`${path}/${decodeURIComponent(id)}`);
        if (!isRefused(answer.status)) faults.push(seen(what, answer));
        const isSame = await isUnchanged(project, task);
        if (isSame === undefined) return faults; // the API may have crashed
        // There is nothing left to try it on.
        if (!isSame) return [say('api.wrong-id.part-of-statement', { request: what, id: task.id })];
      }
    }
    return faults;
  },
};

/** Whether a task is as it was; undefined if the list does not work. */
async function isUnchanged(project: Project, task: Task): Promise<boolean | undefined> {
  try {
    const now = await lookUp(project, ({ id }) => id === task.id);
    return now?.status === task.status;
  } catch (error) {
    if (error instanceof NotPossible) return undefined;
    throw error;
  }
}

/** Everything that changes the task of an id, what deletes last. */
const changes: [(url: string) => string, (project: Project, id: string) => Promise<Answer>][] = [
  [
    (url) => say('shared.update-of', { url }),
    (project, id) => update(project, id, { status: 'completed' }),
  ],
  [
    (url) => `DELETE ${url}`,
    (project, id) => write(project, `${path}/${id}`, { method: 'DELETE' }),
  ],
];

const isRefused = (status: number) => status >= 400 && status < 500;

/** Ids that mean our task if they become a part of a statement, and no task otherwise. */
function statementsFor({ id, title }: Task): string[] {
  const byTitle = `title = '${title}'`;
  return [`0-(-${id})`, `0 OR ${byTitle}`, `0' OR ${byTitle} -- `].map(encodeURIComponent);
}
