import type { Definition } from '../../check.ts';
import { create, lookUp, seen, titleFor } from '../../tasks.ts';
import { say } from '../../texts.ts';

export const check: Definition = {
  id: 'api.text',
  chapter: 'Composing the app',
  points: 2,
  async run(project) {
    const title = titleFor(project, `O'Reilly; "--" <b>&amp;</b> \\ % é 漢 🙂`);
    const answer = await create(project, { title });
    if (answer.status >= 400) return [seen(say('api.text.request'), answer)];
    if (await lookUp(project, (task) => task.title === title)) return [];
    const start = titleFor(project, 'O');
    const found = await lookUp(project, (task) => task.title.includes(start));
    const listed = found?.title ?? say('api.text.nothing-listed');
    return [say('api.text.other-text', { sent: title, listed })];
  },
};
