import { type Check, snippet } from '../../check.ts';
import { resolvedModel } from '../../compose.ts';

export const check: Check = {
  id: 'compose.variables',
  title: 'Every variable in the Compose files has a value',
  chapter: 'Environment and secrets',
  points: 1,
  why:
    'Compose only warns about a variable that is not set, and uses an empty text: ' +
    'an empty password, for example.',
  fix: snippet`
    cp .env.example .env    # and edit it
    \${NAME:-default}        # or: a default
    \${NAME:?is not set}     # or: no start without a value
  `,
  async run(project) {
    const { complaints } = await resolvedModel(project);
    const unset = complaints.matchAll(/"?(\w+)\\?" variable is not set/g);
    const names = new Set([...unset].map(([, name]) => name));
    return [...names].map((name) => `${name} is not set`);
  },
};
