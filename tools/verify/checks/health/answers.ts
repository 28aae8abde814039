import type { Definition } from '../../check.ts';
import { runningContainer } from '../../containers.ts';
import { faultsOfAttempt } from '../../errors.ts';
import { mustAnswer } from '../../web.ts';

export const check: Definition = {
  id: 'health.answers',
  chapter: 'Composing the app',
  points: 2,
  async run(project) {
    if (project.options.url === undefined) await runningContainer(project, 'web');
    return faultsOfAttempt(mustAnswer(project));
  },
};
