import type { Definition } from '../../check.ts';
import type { Project } from '../../project.ts';
import { lookUp, newTask, path, seen, type Task, update, write } from '../../tasks.ts';
import { say } from '../../texts.ts';

export const check: Definition = {
  id: 'api.wrong-id',
  chapter: 'Composing the app',
  points: 2,
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
  const what = say('shared.update-of', { url: `${path}/${decodeURIComponent(id)}` });
  const answer = await update(project, id, { status: 'completed' });
  const faults = isRefused(answer.status) ? [] : [seen(what, answer)];
  const now = await lookUp(project, (candidate) => candidate.id === task.id);
  if (now?.status === task.status) return faults;
  return [say('api.wrong-id.part-of-statement', { request: what, id: task.id })];
}
