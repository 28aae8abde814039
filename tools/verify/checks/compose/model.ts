import type { Definition } from '../../check.ts';
import { composeModel } from '../../compose.ts';
import { faultsOfAttempt } from '../../errors.ts';
import { tiers } from '../../model.ts';
import { say } from '../../texts.ts';

export const check: Definition = {
  id: 'compose.model',
  chapter: 'Compose basics',
  points: 2,
  async run(project) {
    const faults = await faultsOfAttempt(composeModel(project));
    if (faults.length > 0) return faults;
    const { services } = await composeModel(project);
    const names = Object.keys(services).join(', ');
    const missing = tiers.filter((name) => !(name in services));
    return missing.map((service) =>
      say('compose.model.no-such-service', { service, services: names }),
    );
  },
};
