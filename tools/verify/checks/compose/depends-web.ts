import { type Check, snippet } from '../../check.ts';
import { faultsOfWaiting } from './waiting.ts';

export const check: Check = {
  id: 'compose.depends-web',
  title: 'web starts once api is healthy',
  chapter: 'Service configuration',
  points: 2,
  why: 'Otherwise nginx exits because it cannot resolve the name api, or it answers 502 at first.',
  fix: snippet`
    web:
      depends_on:
        api:
          condition: service_healthy
  `,
  run: (project) => faultsOfWaiting(project, 'web', 'api'),
};
