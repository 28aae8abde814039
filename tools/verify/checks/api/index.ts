import { type Check, snippet } from '../../check.ts';
import { seen } from '../../tasks.ts';
import { request } from '../../web.ts';

export const check: Check = {
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
    const isWelcomePage = /welcome to nginx/i.test(answer.text);
    return answer.status === 200 && !isWelcomePage ? [] : [seen('GET /', answer)];
  },
};
