import type { Definition } from '../../check.ts';
import { request } from '../../web.ts';

export const check: Definition = {
  id: 'health.nginx',
  chapter: 'Health checks',
  points: 2,
  async run(project) {
    const { status, text } = await request(project, '/nginx-health');
    const isOk = status === 200 && /\b(healthy|ok|up)\b/i.test(text);
    return isOk ? [] : [`${status} ${text.slice(0, 60)}`];
  },
};
