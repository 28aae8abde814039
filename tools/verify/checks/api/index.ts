import type { Definition } from '../../check.ts';
import { seen } from '../../tasks.ts';
import { request } from '../../web.ts';

export const check: Definition = {
  id: 'api.index',
  chapter: 'Composing the app',
  points: 1,
  async run(project) {
    const answer = await request(project, '/');
    const isWelcomePage = /welcome to nginx/i.test(answer.text);
    return answer.status === 200 && !isWelcomePage ? [] : [seen('GET /', answer)];
  },
};
