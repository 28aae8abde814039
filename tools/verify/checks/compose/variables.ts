import type { Definition } from '../../check.ts';
import { resolvedModel } from '../../compose.ts';
import { say } from '../../texts.ts';

export const check: Definition = {
  id: 'compose.variables',
  chapter: 'Environment and secrets',
  points: 1,
  async run(project) {
    const { complaints } = await resolvedModel(project);
    const unset = complaints.matchAll(/"?(\w+)\\?" variable is not set/g);
    const names = new Set([...unset].map(([, name = '']) => name));
    return [...names].map((name) => say('compose.variables.not-set', { name }));
  },
};
