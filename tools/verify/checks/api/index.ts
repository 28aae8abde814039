import type { Definition } from '../../check.ts';
import { seen } from '../../tasks.ts';
import { say } from '../../texts.ts';
import { request } from '../../web.ts';

export const check: Definition = {
  id: 'api.index',
  chapter: 'Composing the app',
  points: 1,
  async run(project) {
    const answer = await request(project, '/');
    if (answer.status !== 200 || isWelcomePage(answer.text)) return [seen('GET /', answer)];
    return answer.text.trim() === '' ? [say('api.index.empty')] : [];
  },
};

/** By its heading: the page of an application may welcome people to nginx, too. */
const isWelcomePage = (text: string) => /<(title|h1)>welcome to nginx!</i.test(text);
