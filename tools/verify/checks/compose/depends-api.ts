import { type Check, snippet } from '../../check.ts';
import { faultsOfWaiting } from './waiting.ts';

export const check: Check = {
  id: 'compose.depends-api',
  title: 'api starts once db is healthy',
  chapter: 'Service configuration',
  points: 2,
  why:
    'A plain list of names only waits for the container: ' +
    'PostgreSQL may still be initialising when the API connects.',
  fix: snippet`
    api:
      depends_on:
        db:
          condition: service_healthy
  `,
  run: (project) => faultsOfWaiting(project, 'api', 'db'),
};
