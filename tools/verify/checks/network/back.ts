import { type Check, snippet } from '../../check.ts';
import { faultsOfSharing } from './sharing.ts';

export const check: Check = {
  id: 'network.back',
  title: 'api and db share a network',
  chapter: 'Networks',
  points: 1,
  why: 'Containers can find each other by name only on a network that they share.',
  fix: snippet`
    api:
      networks: [frontend, backend]
    db:
      networks: [backend]
  `,
  run: (project) => faultsOfSharing(project, 'api', 'db'),
};
