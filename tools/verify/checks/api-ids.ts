// What the API does with the id in a path.
import { type Check, snippet } from '../check.ts';
import { NotApplicable } from '../errors.ts';
import type { Answer } from '../http.ts';
import type { Project } from '../project.ts';
import { fileExists, readText } from '../project-files.ts';
import { lookUp, newTask, path, seen, taskIn, type Task, update, write } from '../tasks.ts';
import { request } from '../web.ts';

const one: Check = {
  id: 'api.get',
  title: `GET ${path}/<id> returns 200 with the task`,
  chapter: 'Composing the app',
  points: 1,
  why:
    'The contract of this repository asks for it: a client that was given a Location follows it. ' +
    'The labs do not, so it only counts if the README or GET / promises it.',
  fix: snippet`
    @app.get("/api/tasks/<int:task_id>")
    def get_task(task_id):
        from psycopg2.extras import RealDictCursor    # rows with the names of their columns
        conn = get_db_connection()    # as your other routes connect
        cur = conn.cursor(cursor_factory=RealDictCursor)
        cur.execute("SELECT * FROM tasks WHERE id = %s", (task_id,))
        task = cur.fetchone()
        conn.close()
        if task is None:
            return jsonify(error=f"Task {task_id} not found"), 404
        return jsonify(task=task)
  `,
  async run(project) {
    const task = await newTask(project, 'get');
    const url = `${path}/${task.id}`;
    const answer = await request(project, url);
    const isMissing = answer.status === 404 || answer.status === 405;
    if (isMissing && !(await isPromised(project)))
      throw new NotApplicable('the contract of this repository asks for it, that of the labs not');
    const got = taskIn(answer.json);
    const isRight = answer.status === 200 && got?.id === task.id && got.title === task.title;
    return isRight ? [] : [seen(`GET ${url}`, answer)];
  },
};

const promise = new RegExp(`GET[\\s\`|*]+${path}/[<{:]`);

/** True if the project says that one task can be read. */
async function isPromised(project: Project): Promise<boolean> {
  if (fileExists(project, 'README.md') && promise.test(readText(project, 'README.md'))) return true;
  return promise.test((await request(project, '/')).text);
}

const words: Check = {
  id: 'api.wrong-id',
  title: 'An id that is no number returns 4xx, and never becomes a part of the statement',
  chapter: 'Composing the app',
  points: 2,
  why: 'What becomes a part of the statement can delete every task. A 500 is a fault of the server.',
  fix: snippet`
    @app.put("/api/tasks/<int:task_id>")
    # a parameter, never an f-string
    cur.execute("UPDATE tasks SET status = %s WHERE id = %s", (status, task_id))
  `,
  async run(project) {
    const task = await newTask(project, 'wrong id');
    const faults: string[] = [];
    for (const [what, send] of requests) {
      for (const id of ['word', ...statementsFor(task)]) {
        const answer = await send(project, id);
        const shown = `${what} ${path}/${decodeURIComponent(id)}`;
        if (!isRefused(answer.status)) faults.push(seen(shown, answer));
        const now = await lookUp(project, (candidate) => candidate.id === task.id);
        // There is nothing left to try it on.
        if (now?.status !== task.status)
          return [`${shown} has changed task ${task.id}: the id is a part of the statement`];
      }
    }
    return faults;
  },
};

/** Everything that takes an id, what deletes last. */
const requests: [string, (project: Project, id: string) => Promise<Answer>][] = [
  ['GET', (project, id) => request(project, `${path}/${id}`)],
  ['an update of', (project, id) => update(project, id, { status: 'completed' })],
  ['DELETE', (project, id) => write(project, `${path}/${id}`, { method: 'DELETE' })],
];

const isRefused = (status: number) => status >= 400 && status < 500;

/** Ids that mean our task if they become a part of a statement, and no task otherwise. */
function statementsFor({ id, title }: Task): string[] {
  const byTitle = `title = '${title}'`;
  return [`0-(-${id})`, `0 OR ${byTitle}`, `0' OR ${byTitle} -- `].map(encodeURIComponent);
}

export const apiIds: Check[] = [one, words];
