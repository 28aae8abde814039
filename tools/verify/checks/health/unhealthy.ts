import { type Check, snippet } from '../../check.ts';
import { NotApplicable, NotPossible } from '../../errors.ts';
import { outage } from '../../outage.ts';

export const check: Check = {
  id: 'health.unhealthy',
  title: 'api becomes unhealthy while the database is stopped',
  chapter: 'Health checks',
  points: 1,
  destructive: true,
  why:
    'A health check that asks another page than /healthz, or does not look at the status, ' +
    'says "healthy" while every request fails.',
  fix: snippet`
    # -f: a status of 400 or more is a failure
    test: ["CMD", "curl", "-f", "http://localhost:8080/healthz"]
    # in an image without curl, with Python:
    test:
      - CMD
      - python3
      - -c
      - import urllib.request as u; u.urlopen("http://localhost:8080/healthz")
  `,
  async run(project) {
    const { api, during } = await outage(project);
    if (during.healthz === 200) throw new NotApplicable('blocked by health.database-down');
    if (!api) throw new NotPossible('the container of api has no health check');
    if (api.status !== 'healthy') return [];
    return [`api is healthy while db is stopped; its check printed: ${api.output}`];
  },
};
