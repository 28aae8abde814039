import type { Definition } from '../../check.ts';
import { allHealthChecks } from '../../health-checks.ts';
import { say } from '../../texts.ts';

export const check: Definition = {
  id: 'health.checks',
  chapter: 'Health checks',
  points: 3,
  async run(project) {
    const missing = (await allHealthChecks(project)).filter(([, healthCheck]) => !healthCheck);
    return missing.map(([service]) => say('health.checks.none', { service }));
  },
};
