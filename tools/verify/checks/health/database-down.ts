import { type Check, snippet } from '../../check.ts';
import { outage } from '../../outage.ts';

export const check: Check = {
  id: 'health.database-down',
  title: 'GET /healthz returns 503 while the database is stopped',
  chapter: 'Health checks',
  points: 3,
  destructive: true,
  why: 'A health check that does not query the database says "healthy" while every request fails.',
  fix: snippet`
    # in /healthz, around a query
    except psycopg2.Error:
        return jsonify(status="unhealthy"), 503
  `,
  async run(project) {
    const { healthz } = (await outage(project)).during;
    if (healthz === 503) return [];
    return [`GET /healthz returns ${healthz ?? 'nothing'} while db is stopped`];
  },
};
