import type { Check } from '../../check.ts';
import { seen } from '../../tasks.ts';
import { request } from '../../web.ts';

export const check: Check = {
  id: 'api.unknown-path',
  title: 'A path that does not exist returns 404',
  chapter: 'Composing the app',
  points: 1,
  why: 'A typo in a client should show up as an error.',
  fix: 'Do not answer every path with the same page or with 200.',
  async run(project) {
    const answer = await request(project, '/api/no-such-path');
    return answer.status === 404 ? [] : [seen('GET /api/no-such-path', answer)];
  },
};
