import { type Check, snippet } from '../../check.ts';
import { productionModel } from '../../compose.ts';
import { faultsOfAttempt } from '../../errors.ts';

export const check: Check = {
  id: 'prod.model',
  title: 'Compose can read production: compose.prod.yml over the base, or the base alone',
  chapter: 'Production patterns',
  points: 2,
  why:
    'Production differs: limits, versions, no open ports. ' +
    'Write down what differs, and nothing else.',
  fix: snippet`
    # compose.prod.yml
    docker compose -f compose.yml -f compose.prod.yml config --quiet    # names the line at fault
  `,
  run: (project) => faultsOfAttempt(productionModel(project)),
};
