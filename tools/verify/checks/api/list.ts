import { isDeepStrictEqual } from 'node:util';
import type { Check } from '../../check.ts';
import { create, isTask, path, seen, tasksIn, titleFor } from '../../tasks.ts';
import { request } from '../../web.ts';

export const check: Check = {
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
