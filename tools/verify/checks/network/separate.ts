import { type Check, snippet } from '../../check.ts';
import { composeModel, findService } from '../../compose.ts';
import { shared } from '../../model.ts';

export const check: Check = {
  id: 'network.separate',
  title: 'web and db share no network',
  chapter: 'Networks',
  points: 3,
  why: 'Everybody can reach nginx. An attacker who controls it must not reach the database.',
  fix: snippet`
    web:
      networks: [frontend]
    db:
      networks: [backend]
    networks:
      frontend:
      backend:
  `,
  async run(project) {
    const web = await findService(project, 'web');
    const db = await findService(project, 'db');
    const networks = shared(await composeModel(project), web, db);
    const faults = networks.map((name) => `web and db are both in ${name}`);
    for (const [name, { network_mode: mode }] of Object.entries({ web, db }))
      if (mode !== undefined) faults.push(`${name} has network_mode: ${mode}`);
    return faults;
  },
};
