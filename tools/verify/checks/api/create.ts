import type { Definition } from '../../check.ts';
import type { Answer } from '../../http.ts';
import type { Project } from '../../project.ts';
import { create, lookUp, path, seen, taskIn, titleFor } from '../../tasks.ts';
import { say } from '../../texts.ts';

export const check: Definition = {
  id: 'api.create',
  chapter: 'Composing the app',
  points: 3,
  async *run(project) {
    const title = titleFor(project, 'create');
    const plain = await create(project, { title });
    yield* await faultsOfCreation(project, plain, { title, status: 'pending' });
    const sent = { title: titleFor(project, 'create with a status'), status: 'in_progress' };
    const withStatus = await create(project, sent);
    yield* await faultsOfCreation(project, withStatus, sent);
  },
};

async function faultsOfCreation(
  project: Project,
  answer: Answer,
  expected: { title: string; status: string },
): Promise<string[]> {
  const isExpected = (task: typeof expected | undefined) =>
    task?.title === expected.title && task.status === expected.status;
  const wanted = JSON.stringify(expected);
  const task = taskIn(answer.json);
  if (answer.status !== 201 || !isExpected(task)) return [seen(`POST ${path} ${wanted}`, answer)];
  const inList = await lookUp(project, ({ id }) => id === task?.id);
  if (isExpected(inList)) return [];
  return [say('api.create.not-listed', { id: task?.id, task: wanted })];
}
