// The tasks API as the labs have it, and with what they differ in.
import { NotPossible } from './check.ts';
import type { Answer } from './http.ts';
import type { Project } from './project.ts';

export interface Task {
  id: number;
  title: string;
  status: string;
}

export const path = '/api/tasks';
export const seen = (what: string, { status, text }: Answer) =>
  `${what}: ${status} ${text.slice(0, 80).trim()}`;

export const isTask = (value: unknown): value is Task => {
  const { id, title, status } = (value ?? {}) as Partial<Task>;
  return Number.isInteger(id) && typeof title === 'string' && typeof status === 'string';
};

/** The labs differ: {"tasks": […]} or a bare list, {"task": {…}} or the task itself. */
export const tasksIn = (json: unknown): unknown =>
  (json as { tasks?: unknown } | null | undefined)?.tasks ?? json;
export const taskIn = (json: unknown): Task | undefined => {
  const inside = (json as { task?: unknown } | null | undefined)?.task ?? json;
  return isTask(inside) ? inside : undefined;
};

/** The tasks that the API lists. Throws NotPossible where it lists none that can be understood. */
export async function listed(project: Project): Promise<Task[]> {
  const answer = await project.http(path);
  const tasks = tasksIn(answer.json);
  if (answer.status !== 200 || !Array.isArray(tasks))
    throw new NotPossible(`the list does not work: ${seen(`GET ${path}`, answer)}`);
  return tasks.filter(isTask);
}

/** Has the API listed once, so that what needs the list does not wait for it again and again where it hangs. */
export const canList = (project: Project): Promise<void> =>
  project.once('list', async () => {
    await listed(project).catch((error: unknown) => {
      throw new NotPossible((error as Error).message);
    });
  });

export const titleFor = (project: Project, what: string) => `${project.mark} ${what}`;

/** Sends a new task. A row that was made by it, whatever the answer, is deleted in the end. */
export async function create(project: Project, fields: Record<string, unknown>): Promise<Answer> {
  await canList(project);
  const before = new Set((await listed(project)).map(({ id }) => id));
  project.hasWritten = true;
  const answer = await project.http(path, { method: 'POST', body: fields });
  // Only what the list shows as new is ours: a wrong id in the answer may be somebody else's task.
  const made = (await listed(project)).filter(
    ({ id, title }) =>
      !before.has(id) && (title === fields.title || id === taskIn(answer.json)?.id),
  );
  for (const { id } of made) project.created.add(id);
  return answer;
}

/** A new task, for checks of what can be done with one. Throws NotPossible where none can be made. */
export async function newTask(project: Project, what: string): Promise<Task> {
  const title = titleFor(project, what);
  const answer = await create(project, { title });
  const task = (await listed(project)).find((one) => one.title === title);
  if (!task) throw new NotPossible(`no task can be created: ${seen(`POST ${path}`, answer)}`);
  return task;
}

export async function remove(project: Project, { id }: Task): Promise<Answer> {
  const answer = await project.http(`${path}/${id}`, { method: 'DELETE' });
  if (!(await listed(project)).some((task) => task.id === id)) project.created.delete(id);
  return answer;
}

/** By PUT, or by PATCH where an API has only that. */
export async function update(project: Project, id: number, fields: object): Promise<Answer> {
  const answer = await project.http(`${path}/${id}`, { method: 'PUT', body: fields });
  return answer.status === 405
    ? project.http(`${path}/${id}`, { method: 'PATCH', body: fields })
    : answer;
}
