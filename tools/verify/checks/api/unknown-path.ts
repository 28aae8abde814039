import type { Definition } from '../../check.ts';
import { seen } from '../../tasks.ts';
import { request } from '../../web.ts';

export const check: Definition = {
  id: 'api.unknown-path',
  chapter: 'Composing the app',
  points: 1,
  async run(project) {
    const answer = await request(project, '/api/no-such-path');
    return answer.status === 404 ? [] : [seen('GET /api/no-such-path', answer)];
  },
};
