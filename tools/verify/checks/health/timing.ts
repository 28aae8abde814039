import { type Check, snippet } from '../../check.ts';
import { NotPossible } from '../../errors.ts';
import { allHealthChecks } from '../../health-checks.ts';

export const check: Check = {
  id: 'health.timing',
  title: 'Every health check sets its interval and timeout',
  chapter: 'Health checks',
  points: 2,
  why:
    "Docker's default of 30 s makes a stack slow to start and slow to notice a fault. " +
    'Write down the times that you want.',
  fix: snippet`
    healthcheck:
      interval: 10s
      timeout: 5s
  `,
  async run(project) {
    const faults: string[] = [];
    const checks = await allHealthChecks(project);
    if (!checks.some(([, healthCheck]) => healthCheck))
      throw new NotPossible('no service has a health check');
    for (const [name, healthCheck] of checks) {
      if (!healthCheck) continue;
      const missing = (['interval', 'timeout'] as const).filter((key) => !isSet(healthCheck[key]));
      faults.push(...missing.map((key) => `${name}: no ${key}`));
    }
    return faults;
  },
};

/** Zero is how Docker writes its default. */
const isSet = (duration: string | number | undefined) => /[1-9]/.test(String(duration ?? ''));
