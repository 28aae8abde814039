import type { Definition } from '../../check.ts';
import { faultsOfWaiting } from './waiting.ts';

export const check: Definition = {
  id: 'compose.depends-web',
  chapter: 'Service configuration',
  points: 2,
  run: (project) => faultsOfWaiting(project, 'web', 'api'),
};
