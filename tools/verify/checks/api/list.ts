import { isDeepStrictEqual } from 'node:util';
import type { Definition } from '../../check.ts';
import { create, isTask, path, seen, tasksIn, titleFor } from '../../tasks.ts';
import { say } from '../../texts.ts';
import { request } from '../../web.ts';

export const check: Definition = {
  id: 'api.list',
  chapter: 'Composing the app',
  points: 3,
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
    if (other !== undefined) faults.push(say('api.list.not-a-task', { json: shown(other) }));
    const undated = tasks.filter(isTask).find((task) => !task.created_at);
    if (undated) faults.push(say('api.list.no-created-at', { json: shown(undated) }));
    return faults;
  },
};

const shown = (value: unknown) => JSON.stringify(value).slice(0, 80);
