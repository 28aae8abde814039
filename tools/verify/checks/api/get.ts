import { type Check, snippet } from '../../check.ts';
import { NotApplicable } from '../../errors.ts';
import { fileExists, readText } from '../../project-files.ts';
import type { Project } from '../../project.ts';
import { newTask, path, seen, taskIn } from '../../tasks.ts';
import { request } from '../../web.ts';

export const check: Check = {
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
        cur.execute("SELECT * FROM tasks WHERE id = %s", (task_id,))
        task = cur.fetchone()
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
      throw new NotApplicable(
        'the contract of this repository asks for it, that of the labs does not',
      );
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
