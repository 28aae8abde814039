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
  async run(project) {
    const task = await newTask(project, 'wrong id');
    const faults: string[] = [];
    for (const [nameOf, send] of requests) {
      for (const id of ['word', ...statementsFor(task)]) {
        const answer = await send(project, id);
        const what = nameOf(`${path}/${decodeURIComponent(id)}`);
        if (!isRefused(answer.status)) faults.push(seen(what, answer));
        const now = await lookUp(project, (candidate) => candidate.id === task.id);
        // There is nothing left to try it on.
        if (now?.status !== task.status)
          return [say('api.wrong-id.part-of-statement', { request: what, id: task.id })];
      }
    }
    return faults;
  },
};

/** Everything that takes an id, what deletes last. */
const requests: [(url: string) => string, (project: Project, id: string) => Promise<Answer>][] = [
  [(url) => `GET ${url}`, (project, id) => request(project, `${path}/${id}`)],
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
