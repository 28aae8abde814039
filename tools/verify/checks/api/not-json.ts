import type { Definition } from '../../check.ts';
import { canList, path, seen, write } from '../../tasks.ts';
import { say } from '../../texts.ts';
import { faultsOfError } from './error-answer.ts';

export const check: Definition = {
  id: 'api.not-json',
  chapter: 'Composing the app',
  points: 1,
  async *run(project) {
    await canList(project);
    const headers = { 'Content-Type': 'text/plain' };
    const text = await write(project, path, { method: 'POST', body: 'no JSON', headers });
    yield* faultsOfError(say('api.not-json.plain-text'), text, [400, 415, 422]);
    const broken = await write(project, path, { method: 'POST', body: '{"title": ' });
    if (broken.status < 400 || broken.status >= 500)
      yield seen(say('api.not-json.broken-json'), broken);
  },
};
