import type { Definition } from '../../check.ts';
import { productionModel } from '../../compose.ts';
import { faultsOfAttempt } from '../../errors.ts';

export const check: Definition = {
  id: 'prod.model',
  chapter: 'Production patterns',
  points: 2,
  run: (project) => faultsOfAttempt(productionModel(project)),
};
