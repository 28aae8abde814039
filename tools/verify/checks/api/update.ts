import type { Definition } from '../../check.ts';
import type { Project } from '../../project.ts';
import { lookUp, newTask, seen, update } from '../../tasks.ts';
import { say } from '../../texts.ts';
import { faultsOfOther } from './other-task.ts';

export const check: Definition = {
  id: 'api.update',
  chapter: 'Composing the app',
  points: 3,
  async *run(project) {
    const { id, title } = await newTask(project, 'update');
    const other = await newTask(project, 'must stay as it is');
    const status = 'completed'; // one of the course's three: an API may refuse others
    const faults = await faultsOfUpdate(project, id, { status }, { title, status });
    yield* faults;
    if (faults.length > 0) return;
    const renamed = `${title}, O'Reilly's`; // a quote must not end a statement
    const sent = { title: renamed };
    yield* await faultsOfUpdate(project, id, sent, { title: renamed, status });
    yield* await faultsOfOther(project, other);
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
  if (answer.status < 200 || answer.status > 299)
    return [seen(say('api.update.request', { fields: what }), answer)];
  const task = await lookUp(project, (one) => one.id === id);
  if (task?.title === expected.title && task.status === expected.status) return [];
  return [say('api.update.other-task', { fields: what, task: JSON.stringify(task) })];
}
