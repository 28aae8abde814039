import type { Definition } from '../../check.ts';
import { request } from '../../web.ts';

export const check: Definition = {
  id: 'health.healthz',
  chapter: 'Health checks',
  points: 2,
  async run(project) {
    const { status, json, text } = await request(project, '/healthz');
    const said = (json as { status?: unknown } | null | undefined)?.status;
    const isOk = status === 200 && typeof said === 'string' && /^(healthy|ok|up)$/i.test(said);
    return isOk ? [] : [`${status} ${text.slice(0, 60)}`];
  },
};
