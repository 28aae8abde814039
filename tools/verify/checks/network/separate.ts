import type { Definition } from '../../check.ts';
import { composeModel, findService } from '../../compose.ts';
import { shared } from '../../model.ts';
import { say } from '../../texts.ts';

export const check: Definition = {
  id: 'network.separate',
  chapter: 'Networks',
  points: 3,
  async run(project) {
    const web = await findService(project, 'web');
    const db = await findService(project, 'db');
    const networks = shared(await composeModel(project), web, db);
    const faults = networks.map((network) => say('network.separate.both-in-one', { network }));
    for (const [service, { network_mode: mode }] of Object.entries({ web, db }))
      if (mode !== undefined) faults.push(say('network.separate.network-mode', { service, mode }));
    return faults;
  },
};
