import type { Definition } from '../../check.ts';
import { outage } from '../../outage.ts';

export const check: Definition = {
  id: 'health.recovers',
  chapter: 'Production patterns',
  points: 3,
  destructive: true,
  async run(project) {
    return (await outage(project)).after;
  },
};
