import { isDeepStrictEqual } from 'node:util';
import { type Check, snippet } from '../check.ts';
import type { Answer } from '../http.ts';
import type { Project } from '../project.ts';
import { create, isTask, lookUp, path, seen, taskIn, tasksIn, titleFor } from '../tasks.ts';
import { request } from '../web.ts';

const index: Check = {
  id: 'api.index',
  title: 'GET / returns the application, not the nginx welcome page',
  chapter: 'Composing the app',
  points: 1,
  why: 'The welcome page means that nginx runs without the configuration of this project.',
  fix: snippet`
    volumes:
      - ./nginx/default.conf:/etc/nginx/conf.d/default.conf:ro
  `,
  async run(project) {
    const answer = await request(project, '/');
    if (answer.status !== 200 || isWelcomePage(answer.text)) return [seen('GET /', answer)];
    return answer.text.trim() === '' ? ['GET /: 200, and nothing else'] : [];
  },
};

/** By its heading: the page of an application may welcome people to nginx, too. */
const isWelcomePage = (text: string) => /<(title|h1)>welcome to nginx!</i.test(text);

const list: Check = {
  id: 'api.list',
  title: `GET ${path} returns 200 and a JSON list of tasks with id, title, status and created_at`,
  chapter: 'Composing the app',
  points: 3,
  why: 'Every client starts with the list, the web page included.',
  fix: 'return jsonify(tasks=[{"id": 1, "title": "…", "status": "pending", "created_at": "…"}])',
  async run(project) {
    let answer = await request(project, path);
    const isEmpty = isDeepStrictEqual(tasksIn(answer.json), []);
    if (isEmpty) {
      await create(project, { title: titleFor(project, 'list') });
      answer = await request(project, path);
    }
    const tasks = tasksIn(answer.json);
    if (answer.status !== 200 || !Array.isArray(tasks)) return [seen(`GET ${path}`, answer)];

    const faults: string[] = [];
    if (!/json/.test(answer.type)) faults.push(`Content-Type: ${answer.type}`);
    const other: unknown = tasks.find((task) => !isTask(task));
    if (other !== undefined) faults.push(`not a task: ${JSON.stringify(other).slice(0, 80)}`);
    const undated = tasks.filter(isTask).find((task) => !task.created_at);
    if (undated) faults.push(`no created_at: ${JSON.stringify(undated).slice(0, 80)}`);
    return faults;
  },
};

const creation: Check = {
  id: 'api.create',
  title: `POST ${path} returns 201 with the new task, and the list then contains it`,
  chapter: 'Composing the app',
  points: 3,
  why: 'The client needs the id for its next request, and 201 says that something was created.',
  fix: snippet`
    from psycopg2.extras import RealDictCursor    # rows with the names of their columns
    conn = get_db_connection()    # as your other routes connect
    cur = conn.cursor(cursor_factory=RealDictCursor)
    cur.execute(
        "INSERT INTO tasks (title, status) VALUES (%s, %s) RETURNING *",
        (data["title"], data.get("status", "pending")),
    )
    task = cur.fetchone()
    conn.commit()
    conn.close()
    return jsonify(task=task), 201
  `,
  async run(project) {
    const title = titleFor(project, 'create');
    const plain = await create(project, { title });
    const sent = { title: titleFor(project, 'create with a status'), status: 'in_progress' };
    const withStatus = await create(project, sent);
    return [
      ...(await faultsOfCreation(project, plain, { title, status: 'pending' })),
      ...(await faultsOfCreation(project, withStatus, sent)),
    ];
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
  return [`the list does not show the new task ${task?.id} as ${wanted}`];
}

const text: Check = {
  id: 'api.text',
  title: 'Text comes back exactly as it was sent',
  chapter: 'Composing the app',
  points: 2,
  why:
    'A quote that breaks the statement is an SQL injection. ' +
    'Letters that come back changed are lost.',
  fix: snippet`
    # a parameter, never an f-string
    cur.execute("INSERT INTO tasks (title) VALUES (%s) RETURNING *", (data["title"],))
  `,
  async run(project) {
    const title = titleFor(project, `O'Reilly; "--" <b>&amp;</b> \\ % é 漢 🙂`);
    const answer = await create(project, { title });
    if (answer.status >= 400) return [seen('POST of quotes and Unicode', answer)];
    if (await lookUp(project, (task) => task.title === title)) return [];
    const start = titleFor(project, 'O');
    const found = await lookUp(project, (task) => task.title.includes(start));
    return [`sent ${title}, listed ${found?.title ?? 'nothing of it'}`];
  },
};

export const api: Check[] = [index, list, creation, text];
