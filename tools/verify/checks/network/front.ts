import type { Definition } from '../../check.ts';
import { faultsOfSharing } from './sharing.ts';

export const check: Definition = {
  id: 'network.front',
  chapter: 'Networks',
  points: 1,
  run: (project) => faultsOfSharing(project, 'web', 'api'),
};
