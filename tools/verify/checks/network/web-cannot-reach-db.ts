import type { Definition } from '../../check.ts';
import { NotPossible } from '../../errors.ts';
import { reachedFrom } from '../../postgres.ts';
import { say } from '../../texts.ts';

export const check: Definition = {
  id: 'network.web-cannot-reach-db',
  chapter: 'Networks',
  points: 3,
  async run(project) {
    const control = await reachedFrom(project, 'api');
    if (control.length === 0) throw new NotPossible(say('network.web-cannot-reach-db.no-control'));
    const addresses = await reachedFrom(project, 'web');
    return addresses.map(({ host: address }) =>
      say('network.web-cannot-reach-db.accepted', { address }),
    );
  },
};
