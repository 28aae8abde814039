// What the application says while its database is stopped, and afterwards.
import { type Check, snippet } from '../check.ts';
import { NotApplicable, NotPossible } from '../errors.ts';
import { outage } from '../outage.ts';

const databaseDown: Check = {
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

const apiUnhealthy: Check = {
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

const nginxAlone: Check = {
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

const recovers: Check = {
  id: 'health.recovers',
  title: 'When the database is back, the application recovers by itself',
  chapter: 'Production patterns',
  points: 3,
  destructive: true,
  why:
    'Databases restart, for updates too. ' +
    'An API that keeps a dead connection needs a person each time.',
  fix: snippet`
    Use a pool that opens new connections, or connect for each request.
    Do not keep one connection for the life of the process.
  `,
  async run(project) {
    return (await outage(project)).after;
  },
};

export const healthOutage: Check[] = [databaseDown, apiUnhealthy, nginxAlone, recovers];
