import { type Check, snippet } from '../../check.ts';
import { canList, path, seen, write } from '../../tasks.ts';
import { faultsOfError } from './error-answer.ts';

export const check: Check = {
  id: 'api.not-json',
  title: `POST ${path} with a body that is not JSON returns 400 or 415 with {"error": …}`,
  chapter: 'Composing the app',
  points: 1,
  why: 'Every client sends a broken body sooner or later. A 500 would wake somebody up for it.',
  fix: snippet`
    if not request.is_json:
        return jsonify(error="Request body must be JSON"), 400
  `,
  async run(project) {
    await canList(project);
    const headers = { 'Content-Type': 'text/plain' };
    const text = await write(project, path, { method: 'POST', body: 'no JSON', headers });
    const broken = await write(project, path, { method: 'POST', body: '{"title": ' });
    const faults = faultsOfError('POST of text/plain', text, [400, 415]);
    if (broken.status < 400 || broken.status >= 500)
      faults.push(seen('POST of broken JSON', broken));
    return faults;
  },
};
