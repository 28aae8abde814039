import { type Check, snippet } from '../../check.ts';
import { reachedFrom } from '../../postgres.ts';

export const check: Check = {
  id: 'network.api-reaches-db',
  title: 'api can connect to db, by address',
  chapter: 'Networks',
  points: 1,
  why: 'It is the control: without it, a refused connection in the next check proves nothing.',
  fix: snippet`
    docker compose exec api getent hosts db    # the address
    # Are both in the network backend?
  `,
  async run(project) {
    const addresses = await reachedFrom(project, 'api');
    return addresses.length > 0
      ? []
      : ['db accepts no connection from api, at any of its addresses'];
  },
};
