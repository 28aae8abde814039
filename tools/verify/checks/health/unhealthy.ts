import type { Definition } from '../../check.ts';
import { Blocked, NotPossible } from '../../errors.ts';
import { outage } from '../../outage.ts';
import { say } from '../../texts.ts';

export const check: Definition = {
  id: 'health.unhealthy',
  chapter: 'Health checks',
  points: 1,
  destructive: true,
  async run(project) {
    const { api, during } = await outage(project);
    if (during.healthz === 200) throw new Blocked('health.database-down');
    if (!api) throw new NotPossible(say('health.unhealthy.no-health-check'));
    if (api.status !== 'healthy') return [];
    return [say('health.unhealthy.healthy', { output: api.output })];
  },
};
