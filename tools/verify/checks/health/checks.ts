import { type Check, snippet } from '../../check.ts';
import { allHealthChecks } from '../../health-checks.ts';

export const check: Check = {
  id: 'health.checks',
  title: 'Every service has a health check',
  chapter: 'Health checks',
  points: 3,
  why:
    'Without one, Docker only knows that a service is running, ' +
    'and other services cannot wait until it works.',
  fix: snippet`
    db:
      healthcheck:
        test: ["CMD-SHELL", "pg_isready -U $$POSTGRES_USER -d $$POSTGRES_DB"]
  `,
  async run(project) {
    const missing = (await allHealthChecks(project)).filter(([, healthCheck]) => !healthCheck);
    return missing.map(([name]) => `${name} has no health check`);
  },
};
