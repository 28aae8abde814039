import type { Check } from '../../check.ts';
import { NotPossible } from '../../errors.ts';
import { reachedFrom } from '../../postgres.ts';

export const check: Check = {
  id: 'network.web-cannot-reach-db',
  title: 'web cannot connect to db, by address',
  chapter: 'Networks',
  points: 3,
  why: 'That web cannot resolve the name db is no protection: addresses can be guessed.',
  fix: 'Take web out of every network of db, then run docker compose up -d.',
  async run(project) {
    const control = await reachedFrom(project, 'api');
    if (control.length === 0)
      throw new NotPossible('api cannot reach db either, so this would prove nothing');
    const addresses = await reachedFrom(project, 'web');
    return addresses.map((address) => `db accepts a connection from web at ${address}`);
  },
};
