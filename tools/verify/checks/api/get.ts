import type { Definition } from '../../check.ts';
import { NotApplicable } from '../../errors.ts';
import { fileExists, readText } from '../../project-files.ts';
import type { Project } from '../../project.ts';
import { newTask, path, seen, taskIn } from '../../tasks.ts';
import { say } from '../../texts.ts';
import { request } from '../../web.ts';

export const check: Definition = {
  id: 'api.get',
  chapter: 'Composing the app',
  points: 1,
  async run(project) {
    const task = await newTask(project, 'get');
    const url = `${path}/${task.id}`;
    const answer = await request(project, url);
    const isMissing = answer.status === 404 || answer.status === 405;
    if (isMissing && !(await isPromised(project)))
      throw new NotApplicable(say('api.get.only-here'));
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
