// The tasks API, in the variants that the labs have.
import { NotPossible } from './errors.ts';
import type { Answer } from './http.ts';
import { sql } from './postgres.ts';
import type { Project } from './project.ts';
import { request, statusOf } from './web.ts';

export interface Task {
  id: number;
  title: string;
  status: string;
}

/** Where the API has its tasks. */
export const path = '/api/tasks';

/** An answer in one line, for a list of faults. */
export const seen = (what: string, { status, text }: Answer): string =>
  `${what}: ${status} ${text.slice(0, 80).trim()}`;

/** True for an object with id, title and status; it may have more. */
export function isTask(value: unknown): value is Task {
  const { id, title, status } = (value ?? {}) as Partial<Task>;
  return Number.isInteger(id) && typeof title === 'string' && typeof status === 'string';
}

/** The list in a body: some labs answer {"tasks": […]}, others a bare list. */
export const tasksIn = (json: unknown): unknown =>
  (json as { tasks?: unknown } | null | undefined)?.tasks ?? json;

/** The task in a body: some labs answer {"task": {…}}, others the task itself. */
export function taskIn(json: unknown): Task | undefined {
  const inside = (json as { task?: unknown } | null | undefined)?.task ?? json;
  return isTask(inside) ? inside : undefined;
}

/** The tasks that the API lists. Throws NotPossible if the answer is no list. */
export async function listed(project: Project): Promise<Task[]> {
  const answer = await request(project, path);
  const tasks = tasksIn(answer.json);
  if (answer.status !== 200 || !Array.isArray(tasks))
    throw new NotPossible(`the list does not work: ${seen(`GET ${path}`, answer)}`);
  return tasks.filter(isTask);
}

/** Throws NotPossible if the list does not work. Tries once, so a hanging list costs time once. */
export const canList = (project: Project): Promise<void> =>
  project.once('list', async () => {
    await listed(project).catch((error: unknown) => {
      throw new NotPossible((error as Error).message);
    });
  });

/** A title that marks a task as one of ours. */
export const titleFor = (project: Project, what: string): string => `${project.mark} ${what}`;

/** Sends a new task. Whatever the answer, `cleanUp` deletes the row that this made. */
export async function create(project: Project, fields: Record<string, unknown>): Promise<Answer> {
  await canList(project);
  const before = new Set((await listed(project)).map(({ id }) => id));
  project.hasWritten = true;
  const answer = await request(project, path, { method: 'POST', body: fields });
  // Only what is new in the list is ours: a wrong id in the answer may be somebody else's task.
  const added = (await listed(project)).filter(({ id }) => !before.has(id));
  const answered = taskIn(answer.json)?.id;
  const ours = added.filter(({ id, title }) => title === fields.title || id === answered);
  for (const { id } of ours) project.created.add(id);
  return answer;
}

/** Creates a task for a check to work with. Throws NotPossible if that fails. */
export async function newTask(project: Project, what: string): Promise<Task> {
  const title = titleFor(project, what);
  const answer = await create(project, { title });
  const task = (await listed(project)).find((one) => one.title === title);
  if (!task) throw new NotPossible(`no task can be created: ${seen(`POST ${path}`, answer)}`);
  return task;
}

/** Deletes a task through the API. It stays in `project.created` while the list still has it. */
export async function remove(project: Project, { id }: Task): Promise<Answer> {
  const answer = await request(project, `${path}/${id}`, { method: 'DELETE' });
  const isListed = (await listed(project)).some((task) => task.id === id);
  if (!isListed) project.created.delete(id);
  return answer;
}

/** Updates a task with PUT, or with PATCH if the API has only that. */
export async function update(project: Project, id: number, fields: object): Promise<Answer> {
  const answer = await request(project, `${path}/${id}`, { method: 'PUT', body: fields });
  if (answer.status !== 405) return answer;
  return request(project, `${path}/${id}`, { method: 'PATCH', body: fields });
}

/** Deletes every task that the checks created. Returns a note if one is left. */
export async function cleanUp(project: Project): Promise<string[]> {
  for (const id of project.created) {
    const status = await statusOf(project, `${path}/${id}`, { method: 'DELETE' });
    if (status === 404) project.created.delete(id);
  }
  if (!project.hasWritten) return [];

  // By SQL as well: an API may only claim to delete, or never have listed what it stored.
  const ids = [...project.created];
  const statement = `
    DELETE FROM tasks
    WHERE title LIKE '${project.mark}%'
      OR (id IN (${[0, ...ids].join()}) AND created_at > now() - interval '1 hour')`;
  const error = await sql(project, statement).then(() => undefined, String);
  if (error === undefined || ids.length === 0) return [];
  return [`tasks ${ids.join()}, which the checks created, could not be deleted: ${error}`];
}
