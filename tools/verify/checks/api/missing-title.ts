import { type Check, snippet } from '../../check.ts';
import { create, path } from '../../tasks.ts';
import { faultsOfError } from './error-answer.ts';

export const check: Check = {
  id: 'api.missing-title',
  title: `POST ${path} without a title returns 400 with {"error": …}`,
  chapter: 'Composing the app',
  points: 2,
  why: 'Invalid input must not be stored, and is no fault of the server: not a 500.',
  fix: snippet`
    if "title" not in data:
        return jsonify(error="Missing 'title' in request body"), 400
  `,
  async run(project) {
    const answer = await create(project, { status: 'pending' });
    return faultsOfError('POST without a title', answer, [400, 422]);
  },
};
