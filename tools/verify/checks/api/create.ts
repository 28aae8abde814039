import { type Check, snippet } from '../../check.ts';
import type { Answer } from '../../http.ts';
import type { Project } from '../../project.ts';
import { create, lookUp, path, seen, taskIn, titleFor } from '../../tasks.ts';

export const check: Check = {
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
