import type { Project } from '../../project.ts';
import { lookUp, type Task } from '../../tasks.ts';

/** What happened to a task that no request was about. */
export async function faultsOfOther(project: Project, other: Task): Promise<string[]> {
  const task = await lookUp(project, ({ id }) => id === other.id);
  if (task?.title === other.title && task.status === other.status) return [];
  return [`another task was ${JSON.stringify(other)}, and is now ${JSON.stringify(task)}`];
}
