// Whether the application is up, and says so.
import { type Check, snippet } from '../check.ts';
import {
  allContainers,
  containersOf,
  forgetContainers,
  isRunning,
  nameOf,
  runningContainer,
} from '../containers.ts';
import { faultsOfAttempt, NotPossible } from '../errors.ts';
import { patience } from '../health-checks.ts';
import { type Container, tiers } from '../model.ts';
import { composeModel } from '../compose.ts';
import { eventually } from '../wait.ts';
import { mustAnswer, request } from '../web.ts';

const running: Check = {
  id: 'health.running',
  title: 'web, api and db have containers, and all of them run',
  chapter: 'Composing the app',
  points: 3,
  why: 'The application needs all three.',
  fix: snippet`
    docker compose up -d --build
    docker compose ps --all
    docker compose logs api
  `,
  async run(project) {
    await composeModel(project);
    const faults: string[] = [];
    for (const tier of tiers) {
      const containers = await containersOf(project, tier);
      if (containers.length === 0) faults.push(`${tier} has no container`);
      const stopped = containers.filter((container) => !isRunning(container));
      for (const { State } of stopped)
        faults.push(`${tier} is ${State.Status}, exit code ${State.ExitCode}`);
    }
    return faults;
  },
};

const healthy: Check = {
  id: 'health.healthy',
  title: 'All containers are healthy',
  chapter: 'Health checks',
  points: 3,
  waits: true,
  why: 'Docker itself asks the services, from inside: an unhealthy one does not work.',
  fix: snippet`
    # what the check printed
    docker inspect --format '{{json .State.Health}}' $(docker compose ps -q api)
  `,
  async run(project) {
    let unhealthy: Container[] = [];
    await eventually(
      async () => {
        forgetContainers(project);
        unhealthy = (await allContainers(project)).filter(isUnhealthy);
        return !unhealthy.some(({ State }) => State.Health?.Status === 'starting');
      },
      await patience(project),
    );
    // What is unhealthy keeps others from starting: it is said first.
    if (unhealthy.length > 0) return unhealthy.map(faultOfHealth);
    const containers: Container[] = [];
    for (const tier of tiers) containers.push(await runningContainer(project, tier));
    if (containers.some(({ State }) => State.Health)) return [];
    throw new NotPossible('no container has a health check');
  },
};

/** It runs, has a health check, and that has not passed. */
function isUnhealthy(container: Container): boolean {
  const { Health } = container.State;
  if (!isRunning(container) || !Health) return false;
  return Health.Status !== 'healthy';
}

function faultOfHealth(container: Container): string {
  const { Health } = container.State;
  const output = Health?.Log?.at(-1)?.Output.trim() || 'its check printed nothing';
  return `${nameOf(container)} is ${Health?.Status}: ${output}`;
}

const answers: Check = {
  id: 'health.answers',
  title: 'web answers where its port is published',
  chapter: 'Composing the app',
  points: 2,
  why: 'It is the only way in: if web does not answer, nobody reaches what is behind it.',
  fix: snippet`
    docker compose ps web    # the published port
    # another address, or a certificate of your own:
    npm run verify -- --url https://localhost --cacert secrets/tls.crt
  `,
  async run(project) {
    if (project.options.url === undefined) await runningContainer(project, 'web');
    return faultsOfAttempt(mustAnswer(project));
  },
};

const nginx: Check = {
  id: 'health.nginx',
  title: 'GET /nginx-health returns 200 and says healthy',
  chapter: 'Health checks',
  points: 2,
  why: 'The health check of web calls it, and so does a load balancer in front.',
  fix: snippet`
    location = /nginx-health {
        default_type text/plain;
        return 200 "healthy\\n";
    }
  `,
  async run(project) {
    const { status, text } = await request(project, '/nginx-health');
    const isOk = status === 200 && /\b(healthy|ok|up)\b/i.test(text);
    return isOk ? [] : [`${status} ${text.slice(0, 60)}`];
  },
};

const healthz: Check = {
  id: 'health.healthz',
  title: 'GET /healthz returns 200 and {"status":"healthy"}',
  chapter: 'Health checks',
  points: 2,
  why: 'It proves that all three tiers work: nginx, the API and a query.',
  fix: snippet`
    @app.get("/healthz")
    def healthz():
        try:
            conn = get_db_connection()    # as your other routes connect
            conn.cursor().execute("SELECT 1 FROM tasks LIMIT 1")
            conn.close()
        except psycopg2.Error:
            return jsonify(status="unhealthy"), 503
        return jsonify(status="healthy")
  `,
  async run(project) {
    const { status, json, text } = await request(project, '/healthz');
    const said = (json as { status?: unknown } | null | undefined)?.status;
    const isOk = status === 200 && typeof said === 'string' && /^(healthy|ok|up)$/i.test(said);
    return isOk ? [] : [`${status} ${text.slice(0, 60)}`];
  },
};

export const health: Check[] = [running, healthy, answers, nginx, healthz];
