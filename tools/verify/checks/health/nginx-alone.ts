import type { Definition } from '../../check.ts';
import { outage } from '../../outage.ts';
import { say } from '../../texts.ts';

export const check: Definition = {
  id: 'health.nginx-alone',
  chapter: 'Health checks',
  points: 1,
  destructive: true,
  async run(project) {
    const { nginx } = (await outage(project)).during;
    if (nginx === 200) return [];
    return [say('health.nginx-alone.other-status', { status: nginx ?? say('shared.no-answer') })];
  },
};
