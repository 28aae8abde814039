import type { Definition } from '../../check.ts';
import { create } from '../../tasks.ts';
import { say } from '../../texts.ts';
import { faultsOfError } from './error-answer.ts';

export const check: Definition = {
  id: 'api.missing-title',
  chapter: 'Composing the app',
  points: 2,
  async run(project) {
    const answer = await create(project, { status: 'pending' });
    return faultsOfError(say('api.missing-title.request'), answer, [400, 422]);
  },
};
