import type { Project } from '../../project.ts';
import { lookUp, type Task } from '../../tasks.ts';
import { say } from '../../texts.ts';

/** What happened to a task that no request was about. */
export async function faultsOfOther(project: Project, other: Task): Promise<string[]> {
  const task = await lookUp(project, ({ id }) => id === other.id);
  if (task?.title === other.title && task.status === other.status) return [];
  const [before, after] = [JSON.stringify(other), JSON.stringify(task)];
  return [say('shared.another-changed', { before, after })];
}
