import type { Definition } from '../../check.ts';
import type { Answer } from '../../http.ts';
import type { Project } from '../../project.ts';
import { lookUp, newTask, path, seen, type Task, update, write } from '../../tasks.ts';
import { say } from '../../texts.ts';
import { request } from '../../web.ts';

export const check: Definition = {
  id: 'api.wrong-id',
  chapter: 'Composing the app',
  points: 2,
  async *run(project) {
    const task = await newTask(project, 'wrong id');
    for (const id of ['word', ...statementsFor(task)]) {
      const answer = await request(project, `${path}/${id}`);
      if (answer.status >= 500 || answer.text.includes(project.mark))
        yield seen(`GET ${path}/${decodeURIComponent(id)}`, answer);
    }
    for (const [nameOf, send] of changes) {
      for (const id of ['word', ...statementsFor(task)]) {
        const answer = await send(project, id);
        const what = nameOf(`${path}/${decodeURIComponent(id)}`);
        if (!isRefused(answer.status)) yield seen(what, answer);
        const now = await lookUp(project, (one) => one.id === task.id);
        if (now?.status === task.status) continue;
        yield say('api.wrong-id.part-of-statement', { request: what, id: task.id });
        return; // there is nothing left to try it on
      }
    }
  },
};

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
