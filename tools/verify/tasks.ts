// The tasks API, in the variants that the labs have.
import { NotPossible } from './errors.ts';
import type { Answer, Call } from './http.ts';
import type { Project } from './project.ts';
import { addedSince, copyOf, deleteOurs, faultsOfLoss, rowsOf } from './table.ts';
import { say } from './texts.ts';
import { request, statusOf } from './web.ts';

export interface Task {
  id: number;
  title: string;
  status: string;
  created_at?: unknown;
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

async function wholeList(project: Project): Promise<unknown[]> {
  const answer = await request(project, path);
  const tasks = tasksIn(answer.json);
  if (answer.status !== 200 || !Array.isArray(tasks))
    throw new NotPossible(say('shared.no-list', { answer: seen(`GET ${path}`, answer) }));
  return tasks;
}

/** The tasks that the API lists. Throws NotPossible if the answer is no list. */
export async function listed(project: Project): Promise<Task[]> {
  return (await wholeList(project)).filter(isTask);
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

/** Sends a request that may change tasks. A copy of the table is taken before the first. */
export async function write(project: Project, url: string, call: Call): Promise<Answer> {
  await copyOf(project);
  project.writes += 1;
  if (call.method !== 'POST') return request(project, url, call);

  const before = await rowsOf(project);
  let isCreated = false;
  try {
    const answer = await request(project, url, call);
    isCreated = answer.status < 300;
    return answer;
  } finally {
    for (const id of await addedSince(project, before, isCreated)) project.created.add(id);
  }
}

/** Sends a new task. Whatever the answer, `cleanUp` deletes the row that this made. */
export async function create(project: Project, fields: Record<string, unknown>): Promise<Answer> {
  await canList(project);
  const before = new Set((await listed(project)).map(({ id }) => id));
  const answer = await write(project, path, { method: 'POST', body: fields });
  // The API may keep it elsewhere than in the table. A wrong id may be somebody else's task.
  const now = await listed(project).catch(() => []); // the request may have ended the API
  const added = now.filter(({ id }) => !before.has(id));
  for (const { id, title } of added) if (title === fields.title) project.created.add(String(id));
  return answer;
}

/** Creates a task for a check to work with. Throws NotPossible if that fails. */
export async function newTask(project: Project, what: string): Promise<Task> {
  const title = titleFor(project, what);
  const answer = await create(project, { title });
  const task = await lookUp(project, (one) => one.title === title);
  if (!task)
    throw new NotPossible(say('shared.no-new-task', { answer: seen(`POST ${path}`, answer) }));
  return task;
}

/** A task of the list or, if the list is only one page of all, of the table. */
export async function lookUp(
  project: Project,
  isIt: (task: Task) => boolean,
): Promise<Task | undefined> {
  const list = await wholeList(project);
  const found = list.filter(isTask).find(isIt);
  if (found) return found;
  const rows = await rowsOf(project).catch(() => undefined);
  if (!rows || rows.size <= list.length) return undefined;
  const tasks = [...rows.values()].map((json) => JSON.parse(json) as unknown);
  return tasks.filter(isTask).find(isIt);
}

/** Deletes a task through the API. Says as well whether the task is still there. */
export async function remove(
  project: Project,
  { id }: Task,
): Promise<{ answer: Answer; isLeft: boolean }> {
  const rowNow = async () => (await rowsOf(project).catch(() => undefined))?.get(String(id));
  const isListedNow = async () => (await listed(project)).some((task) => task.id === id);
  const [before, wasListed] = [await rowNow(), await isListedNow()];
  const answer = await write(project, `${path}/${id}`, { method: 'DELETE' });
  const after = await rowNow();
  const isListed = await isListedNow().catch(() => false); // the request may have ended the API
  // An API may only mark what is deleted, anywhere. Without the task on its page of the list, the
  // row tells.
  const isLeft = isListed || (!wasListed && after !== undefined && after === before);
  if (after === undefined && !isListed) project.created.delete(String(id));
  return { answer, isLeft };
}

/** PATCH if a task that exists can be updated with it; otherwise PUT, which may want all fields. */
const updateMethod = (project: Project): Promise<string> =>
  project.once('update method', async () => {
    const { id, title } = await newTask(project, 'how to update');
    const call = { method: 'PATCH', body: { title } };
    const { status } = await write(project, `${path}/${id}`, call);
    return status >= 200 && status < 300 ? 'PATCH' : 'PUT';
  });

/** Updates a task with PUT, or with PATCH if the API has only that. */
export async function update(
  project: Project,
  id: number | string,
  fields: object,
): Promise<Answer> {
  const method = await updateMethod(project);
  return write(project, `${path}/${id}`, { method, body: fields });
}

/** Deletes every task that the checks created. Returns notes if something is left or lost. */
export async function cleanUp(project: Project): Promise<string[]> {
  if (!project.hasCopy) return [];
  const lostBefore = await faultsOfLoss(project); // rows that now have our title, after Ctrl-C
  // By SQL: an API may only claim to delete, or delete more than it was asked to.
  const error = await deleteOurs(project, project.created).then(
    () => undefined,
    (reason: unknown) => (reason as Error).message,
  );
  const left = await listed(project).catch(() => []);
  for (const { id } of left.filter((task) => project.created.has(String(task.id))))
    await statusOf(project, `${path}/${id}`, { method: 'DELETE' });
  const lost = [...lostBefore, ...(await faultsOfLoss(project))];
  if (error === undefined || project.created.size === 0) return lost;
  const ids = [...project.created].join();
  return [say('shared.not-deleted', { ids, error }), ...lost];
}
