import { type Check, snippet } from '../../check.ts';
import { faultsOfSharing } from './sharing.ts';

export const check: Check = {
  id: 'network.front',
  title: 'web and api share a network',
  chapter: 'Networks',
  points: 1,
  why: 'Containers can find each other by name only on a network that they share.',
  fix: snippet`
    web:
      networks: [frontend]
    api:
      networks: [frontend, backend]
  `,
  run: (project) => faultsOfSharing(project, 'web', 'api'),
};
