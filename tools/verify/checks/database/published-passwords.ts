import type { Definition } from '../../check.ts';
import { isProduction } from '../../compose.ts';
import { NotApplicable } from '../../errors.ts';
import { publishedLogins } from '../../published.ts';
import { say } from '../../texts.ts';

export const check: Definition = {
  id: 'database.published-passwords',
  chapter: 'Hardening',
  points: 3,
  async run(project) {
    if (!isProduction(project))
      throw new NotApplicable(say('database.published-passwords.only-production'));
    return publishedLogins(project);
  },
};
