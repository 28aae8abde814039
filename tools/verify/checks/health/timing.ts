import type { Definition } from '../../check.ts';
import { NotPossible } from '../../errors.ts';
import { allHealthChecks } from '../../health-checks.ts';
import { say } from '../../texts.ts';

export const check: Definition = {
  id: 'health.timing',
  chapter: 'Health checks',
  points: 2,
  async run(project) {
    const faults: string[] = [];
    const checks = await allHealthChecks(project);
    if (!checks.some(([, healthCheck]) => healthCheck))
      throw new NotPossible(say('shared.no-health-check'));
    for (const [service, healthCheck] of checks) {
      if (!healthCheck) continue;
      const missing = (['interval', 'timeout'] as const).filter((key) => !isSet(healthCheck[key]));
      faults.push(...missing.map((option) => say('health.timing.no-time', { service, option })));
    }
    return faults;
  },
};

/** Zero is how Docker writes its default. */
const isSet = (duration: string | number | undefined) => /[1-9]/.test(String(duration ?? ''));
