import type { Check } from '../check.ts';
import type { Answer } from '../http.ts';
import {
  canList,
  create,
  isTask,
  listed,
  newTask,
  path,
  remove,
  seen,
  type Task,
  taskIn,
  tasksIn,
  titleFor,
  update,
} from '../tasks.ts';

/** What is wrong with an answer that should be an error with a reason. */
function faultsOfError(what: string, answer: Answer, statuses: number[]): string[] {
  const error = (answer.json as { error?: unknown } | null | undefined)?.error;
  return statuses.includes(answer.status) && error !== undefined ? [] : [seen(what, answer)];
}

export const api: Check[] = [
  {
    id: 'api.index',
    title: 'GET / returns the application, not the nginx welcome page',
    chapter: 'Composing the app',
    points: 1,
    why: 'The welcome page means that nginx runs without the configuration of this project.',
    fix: 'volumes:\n  - ./nginx/default.conf:/etc/nginx/conf.d/default.conf:ro',
    run: async (project) => {
      const answer = await project.http('/');
      return answer.status === 200 && !/welcome to nginx/i.test(answer.text)
        ? []
        : [seen('GET /', answer)];
    },
  },
  {
    id: 'api.list',
    title: `GET ${path} returns 200 and a JSON list of tasks with id, title and status`,
    chapter: 'Composing the app',
    points: 3,
    why: 'Every client starts with the list, the web page included.',
    fix: 'return jsonify(tasks=[{"id": 1, "title": "…", "status": "pending", "created_at": "…"}])',
    run: async (project) => {
      const answer = await project.http(path);
      const tasks = tasksIn(answer.json);
      if (answer.status !== 200 || !Array.isArray(tasks)) return [seen(`GET ${path}`, answer)];
      return [
        ...(/json/.test(answer.type) ? [] : [`Content-Type: ${answer.type}`]),
        ...tasks
          .filter((task) => !isTask(task))
          .slice(0, 1)
          .map((task) => `not a task: ${JSON.stringify(task).slice(0, 80)}`),
      ];
    },
  },
  {
    id: 'api.create',
    title: `POST ${path} returns 201 with the new task, and the list then contains it`,
    chapter: 'Composing the app',
    points: 3,
    why: 'The client needs the id for its next request, and 201 says that something was created.',
    fix: 'insert = "INSERT INTO tasks (title) VALUES (%s) RETURNING *"\nrow = db.execute(insert, [title]).fetchone()\nreturn jsonify(task=row), 201',
    run: async (project) => {
      const [plain, withStatus] = [
        titleFor(project, 'create'),
        titleFor(project, 'create with a status'),
      ];
      const answers = [
        await create(project, { title: plain }),
        await create(project, { title: withStatus, status: 'in_progress' }),
      ];
      const tasks = await listed(project);
      return answers.flatMap((answer, n) => {
        const expected =
          n === 0
            ? { title: plain, status: 'pending' }
            : { title: withStatus, status: 'in_progress' };
        const task = taskIn(answer.json);
        const isRight = (one: Task | undefined) =>
          one?.title === expected.title && one.status === expected.status;
        if (answer.status !== 201 || !isRight(task))
          return [seen(`POST ${path} ${JSON.stringify(expected)}`, answer)];
        return isRight(tasks.find(({ id }) => id === task?.id))
          ? []
          : [`the list does not have the new task ${task?.id} as ${JSON.stringify(expected)}`];
      });
    },
  },
  {
    id: 'api.text',
    title: 'Text comes back exactly as it was sent',
    chapter: 'Composing the app',
    points: 2,
    why: 'A quote that breaks the statement is an SQL injection. Letters that come back changed are lost.',
    fix: '# a parameter, never an f-string\ndb.execute("INSERT INTO tasks (title) VALUES (%s)", [title])',
    run: async (project) => {
      const title = titleFor(project, `O'Reilly; "--" <b>&amp;</b> \\ % é 漢 🙂`);
      const answer = await create(project, { title });
      if (answer.status >= 400) return [seen('POST of quotes and Unicode', answer)];
      const tasks = (await listed(project)).filter((task) =>
        task.title.includes(`${project.mark} O`),
      );
      return tasks.some((task) => task.title === title)
        ? []
        : [`sent ${title}, listed ${tasks[0]?.title ?? 'nothing of it'}`];
    },
  },
  {
    id: 'api.update',
    title: `PUT or PATCH ${path}/<id> changes the fields that are sent and keeps the rest`,
    chapter: 'Composing the app',
    points: 3,
    why: 'Marking a task done must not erase its title.',
    fix: 'UPDATE tasks SET title = COALESCE(%s, title), status = COALESCE(%s, status)\nWHERE id = %s RETURNING *',
    run: async (project) => {
      const task = await newTask(project, 'update');
      const renamed = `${task.title}, renamed`;
      for (const [fields, expected] of [
        [{ status: 'done' }, { title: task.title, status: 'done' }],
        [{ title: renamed }, { title: renamed, status: 'done' }],
      ] as const) {
        const answer = await update(project, task.id, fields);
        if (answer.status !== 200) return [seen(`an update to ${JSON.stringify(fields)}`, answer)];
        const now = (await listed(project)).find(({ id }) => id === task.id);
        if (now?.title !== expected.title || now.status !== expected.status)
          return [`after an update to ${JSON.stringify(fields)} it is ${JSON.stringify(now)}`];
      }
      return [];
    },
  },
  {
    id: 'api.delete',
    title: `DELETE ${path}/<id> returns 200, and the task is gone`,
    chapter: 'Composing the app',
    points: 2,
    why: 'An answer that says "deleted" must be true.',
    fix: 'DELETE FROM tasks WHERE id = %s RETURNING id    # and commit',
    run: async (project) => {
      const task = await newTask(project, 'delete');
      const answer = await remove(project, task);
      const isGone = !project.created.has(task.id);
      const isAnswered =
        answer.status === 204 || (answer.status === 200 && answer.json !== undefined);
      return [
        ...(isAnswered ? [] : [seen('DELETE', answer)]),
        ...(isGone ? [] : ['the task is still in the list']),
      ];
    },
  },
  {
    id: 'api.missing-title',
    title: `POST ${path} without a title returns 400 with {"error": …}`,
    chapter: 'Composing the app',
    points: 2,
    why: 'Invalid input must not be stored, and is no fault of the server: not a 500.',
    fix: `if "title" not in data:\n    return jsonify(error="Missing 'title' in request body"), 400`,
    run: async (project) =>
      faultsOfError(
        'POST without a title',
        await create(project, { status: 'pending' }),
        [400, 422],
      ),
  },
  {
    id: 'api.not-json',
    title: `POST ${path} with a body that is not JSON returns 400 or 415 with {"error": …}`,
    chapter: 'Composing the app',
    points: 1,
    why: 'Every client sends a broken body sooner or later. A 500 would wake somebody up for it.',
    fix: 'if not request.is_json:\n    return jsonify(error="Request body must be JSON"), 400',
    run: async (project) => {
      await canList(project);
      const text = await project.http(path, {
        method: 'POST',
        body: 'no JSON',
        headers: { 'Content-Type': 'text/plain' },
      });
      const broken = await project.http(path, { method: 'POST', body: '{"title": ' });
      return [
        ...faultsOfError('POST of text/plain', text, [400, 415]),
        ...(broken.status >= 400 && broken.status < 500
          ? []
          : [seen('POST of broken JSON', broken)]),
      ];
    },
  },
  {
    id: 'api.unknown-id',
    title: 'Updating or deleting a task that does not exist returns 404 with {"error": …}',
    chapter: 'Composing the app',
    points: 2,
    why: '200 would tell the client that something changed.',
    fix: 'if row is None:\n    return jsonify(error=f"Task {id} not found"), 404',
    run: async (project) => {
      await canList(project);
      const ids = new Set((await listed(project)).map(({ id }) => id));
      // Beside the largest id a SERIAL can have, so that no task has it.
      const unknown = [2_147_483_600, 2_147_483_601].find((id) => !ids.has(id)) ?? 0;
      return [
        ...faultsOfError(
          `an update of ${path}/${unknown}`,
          await update(project, unknown, { status: 'done' }),
          [404],
        ),
        ...faultsOfError(
          `DELETE ${path}/${unknown}`,
          await project.http(`${path}/${unknown}`, { method: 'DELETE' }),
          [404],
        ),
      ];
    },
  },
  {
    id: 'api.unknown-path',
    title: 'A path that does not exist returns 404',
    chapter: 'Composing the app',
    points: 1,
    why: 'A typo in a client should show up as an error.',
    fix: 'Do not answer every path with the same page or with 200.',
    run: async (project) => {
      const answer = await project.http('/api/no-such-path');
      return answer.status === 404 ? [] : [seen('GET /api/no-such-path', answer)];
    },
  },
];
