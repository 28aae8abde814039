import type { Check } from '../../check.ts';
import { isProduction } from '../../compose.ts';
import { NotApplicable } from '../../errors.ts';
import { publishedLogins } from '../../published.ts';

export const check: Check = {
  id: 'database.published-passwords',
  title: 'No login of production has a password that is published in the repository',
  chapter: 'Hardening',
  points: 3,
  why: 'Everybody can read them. A volume that was created for the lab keeps the lab passwords.',
  fix: 'docker compose exec db psql -U taskapp -d taskdb    # then: \\password LOGIN',
  async run(project) {
    if (!isProduction(project))
      throw new NotApplicable('for production only: name its files with -f');
    return publishedLogins(project);
  },
};
