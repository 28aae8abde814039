import { type Check, snippet } from '../../check.ts';
import { outage } from '../../outage.ts';

export const check: Check = {
  id: 'health.recovers',
  title: 'When the database is back, the application recovers by itself',
  chapter: 'Production patterns',
  points: 3,
  destructive: true,
  why:
    'Databases restart, for updates too. ' +
    'An API that keeps a dead connection needs a person each time.',
  fix: snippet`
    Use a pool that opens new connections, or connect for each request.
    Do not keep one connection for the life of the process.
  `,
  async run(project) {
    return (await outage(project)).after;
  },
};
