import type { Definition } from '../../check.ts';
import { newTask, remove, seen } from '../../tasks.ts';
import { say } from '../../texts.ts';
import { faultsOfOther } from './other-task.ts';

export const check: Definition = {
  id: 'api.delete',
  chapter: 'Composing the app',
  points: 2,
  async *run(project) {
    const task = await newTask(project, 'delete');
    const other = await newTask(project, 'must stay');
    const { answer, isLeft } = await remove(project, task);
    const isOk = answer.status === 200 && answer.json !== undefined;
    if (!isOk && answer.status !== 204) yield seen('DELETE', answer);
    if (isLeft) yield say('api.delete.still-there');
    yield* await faultsOfOther(project, other);
  },
};
