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
    if (answer.status !== 200 || isWelcomePage(answer.text)) return [seen('GET /', answer)];
    return answer.text.trim() === '' ? ['GET /: 200, and nothing else'] : [];
  },
};

/** By its heading: the page of an application may welcome people to nginx, too. */
const isWelcomePage = (text: string) => /<(title|h1)>welcome to nginx!</i.test(text);
