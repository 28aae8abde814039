import type { Definition } from '../../check.ts';
import { reachedFrom } from '../../postgres.ts';
import { say } from '../../texts.ts';

export const check: Definition = {
  id: 'network.api-reaches-db',
  chapter: 'Networks',
  points: 1,
  async run(project) {
    const addresses = await reachedFrom(project, 'api');
    return addresses.length > 0 ? [] : [say('network.api-reaches-db.refused')];
  },
};
