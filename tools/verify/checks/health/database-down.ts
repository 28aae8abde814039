import type { Definition } from '../../check.ts';
import { outage } from '../../outage.ts';
import { say } from '../../texts.ts';

export const check: Definition = {
  id: 'health.database-down',
  chapter: 'Health checks',
  points: 3,
  destructive: true,
  async run(project) {
    const { healthz } = (await outage(project)).during;
    if (healthz === 503) return [];
    return [
      say('health.database-down.other-status', { status: healthz ?? say('shared.no-answer') }),
    ];
  },
};
