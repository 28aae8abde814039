import { type Check, snippet } from '../../check.ts';
import { outage } from '../../outage.ts';

export const check: Check = {
  id: 'health.nginx-alone',
  title: 'GET /nginx-health still returns 200 while the database is stopped',
  chapter: 'Health checks',
  points: 1,
  destructive: true,
  why:
    'It is about nginx alone: ' +
    'a proxy that is taken out because of another tier cannot even say what is wrong.',
  fix: snippet`
    # no proxy_pass
    location = /nginx-health { return 200 "healthy\\n"; }
  `,
  async run(project) {
    const { nginx } = (await outage(project)).during;
    if (nginx === 200) return [];
    return [`GET /nginx-health returns ${nginx ?? 'nothing'} while db is stopped`];
  },
};
