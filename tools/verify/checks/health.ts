import { type Check, NotPossible } from '../check.ts';
import { type HealthCheck, lasting, tiers } from '../model.ts';
import type { Project } from '../project.ts';
import { outage } from '../outage.ts';

/** The health checks of all lasting services as they take effect: what Compose says over what the image says. */
async function healthChecks(project: Project): Promise<[string, HealthCheck | undefined][]> {
  return project.once('health checks', async () =>
    Promise.all(
      lasting(await project.model()).map(
        async ([name, { healthcheck = {} }]): Promise<[string, HealthCheck | undefined]> => {
          if (healthcheck.disable || healthcheck.test?.[0] === 'NONE') return [name, undefined];
          if (healthcheck.test) return [name, healthcheck];
          const ofImage = (await project.image(name)).Config.Healthcheck;
          if (!ofImage?.Test || ofImage.Test[0] === 'NONE') return [name, undefined];
          // Zero in an image stands for "not set".
          const { Test: test, Interval, Timeout, Retries } = ofImage;
          return [
            name,
            {
              test,
              ...(Interval && { interval: Interval }),
              ...(Timeout && { timeout: Timeout }),
              ...(Retries && { retries: Retries }),
              ...healthcheck,
            },
          ];
        },
      ),
    ),
  );
}

const curlThatPasses = /\bcurl\b(?!.*\s(?:-\w*f|--fail))/s;
const endsWell = /(?:\|\||;)\s*(?:true|:|exit 0)\s*["']?\s*$/;

export const health: Check[] = [
  {
    id: 'health.checks',
    title: 'Every service has a health check',
    chapter: 'Health checks',
    points: 3,
    why: 'Without one, Docker only knows that a service is running, and other services cannot wait until it works.',
    fix: 'db:\n  healthcheck:\n    test: ["CMD-SHELL", "pg_isready -U $$POSTGRES_USER -d $$POSTGRES_DB"]',
    run: async (project) =>
      (await healthChecks(project))
        .filter(([, check]) => !check)
        .map(([name]) => `${name} has no health check`),
  },
  {
    id: 'health.timing',
    title: 'Every health check sets its interval, timeout and retries',
    chapter: 'Health checks',
    points: 2,
    why: "Docker's default of 30 s makes a stack slow to start and slow to notice a fault. Write down the times that you want.",
    fix: 'healthcheck:\n  interval: 10s\n  timeout: 5s\n  retries: 3',
    run: async (project) =>
      (await healthChecks(project)).flatMap(([name, check]) =>
        check
          ? (['interval', 'timeout', 'retries'] as const)
              .filter((key) => !check[key])
              .map((key) => `${name}: no ${key}`)
          : [],
      ),
  },
  {
    id: 'health.can-fail',
    title: 'Every health check is able to fail',
    chapter: 'Health checks',
    points: 1,
    why: 'curl without -f accepts a 500, and `|| true` accepts anything: the service would always be healthy.',
    fix: 'test: ["CMD", "curl", "-f", "http://localhost:8080/healthz"]',
    run: async (project) =>
      (await healthChecks(project)).flatMap(([name, check]) => {
        const command = check?.test?.slice(1).join(' ') ?? '';
        return [
          ...(curlThatPasses.test(command) ? [`${name}: curl without -f: ${command}`] : []),
          ...(endsWell.test(command) ? [`${name} always succeeds: ${command}`] : []),
        ];
      }),
  },
  {
    id: 'health.running',
    title: 'web, api and db have containers, and all of them run',
    chapter: 'Composing the app',
    points: 3,
    why: 'The application needs all three.',
    fix: 'docker compose up -d --build\ndocker compose ps --all\ndocker compose logs api',
    run: async (project) => {
      await project.model();
      const states = await Promise.all(
        tiers.map(async (name) => ({ name, containers: await project.containersOf(name) })),
      );
      return states.flatMap(({ name, containers }) => {
        if (containers.length === 0) return [`${name} has no container`];
        return containers
          .filter(({ State }) => State.Status !== 'running')
          .map(({ State }) => `${name} is ${State.Status}, exit code ${State.ExitCode}`);
      });
    },
  },
  {
    id: 'health.healthy',
    title: 'All containers are healthy',
    chapter: 'Health checks',
    points: 3,
    why: 'Docker itself asks the services, from inside: an unhealthy one does not work.',
    fix: "# what the check printed\ndocker inspect --format '{{json .State.Health}}' $(docker compose ps -q api)",
    run: async (project) => {
      for (const name of tiers) await project.container(name);
      let faults: string[] = [];
      await project.eventually(async () => {
        project.forgetContainers();
        const running = (await project.containers()).filter(
          ({ State }) => State.Status === 'running',
        );
        const ill = running.filter(
          ({ State }) => State.Health && State.Health.Status !== 'healthy',
        );
        faults = ill.map(
          ({ Name, State }) =>
            `${Name.slice(1)} is ${State.Health?.Status}: ${State.Health?.Log?.at(-1)?.Output.trim() || 'its check has printed nothing'}`,
        );
        return !ill.some(({ State }) => State.Health?.Status === 'starting');
      }, 15_000);
      return faults;
    },
  },
  {
    id: 'health.answers',
    title: 'web answers where its port is published',
    chapter: 'Composing the app',
    points: 2,
    why: 'It is the only way in: if web does not answer, nobody reaches what is behind it.',
    fix: 'docker compose ps web    # the published port\n# another address, or a certificate of your own:\nnpm run verify -- --url https://localhost --cacert secrets/tls.crt',
    run: async (project) => {
      if (project.options.url === undefined) await project.container('web');
      return project.answers().then(
        () => [],
        (error: unknown) => {
          if (error instanceof NotPossible) return [error.message];
          throw error;
        },
      );
    },
  },
  {
    id: 'health.nginx',
    title: 'GET /nginx-health returns 200 and says healthy',
    chapter: 'Health checks',
    points: 2,
    why: 'The health check of web calls it, and so does a load balancer in front.',
    fix: 'location = /nginx-health {\n    default_type text/plain;\n    return 200 "healthy\\n";\n}',
    run: async (project) => {
      const { status, text } = await project.http('/nginx-health');
      return status === 200 && /\b(healthy|ok|up)\b/i.test(text)
        ? []
        : [`${status} ${text.slice(0, 60)}`];
    },
  },
  {
    id: 'health.healthz',
    title: 'GET /healthz returns 200 and {"status":"healthy"}',
    chapter: 'Health checks',
    points: 2,
    why: 'It proves that all three tiers work: nginx, the API and a query.',
    fix: '@app.get("/healthz")\ndef healthz():\n    db.execute("SELECT 1 FROM tasks LIMIT 1")\n    return {"status": "healthy"}',
    run: async (project) => {
      const { status, json, text } = await project.http('/healthz');
      const said = (json as { status?: unknown } | null | undefined)?.status;
      return status === 200 && typeof said === 'string' && /^(healthy|ok|up)$/i.test(said)
        ? []
        : [`${status} ${text.slice(0, 60)}`];
    },
  },
  {
    id: 'health.database-down',
    title: 'GET /healthz returns 503 while the database is stopped',
    chapter: 'Health checks',
    points: 3,
    destructive: true,
    why: 'A health check that does not query the database says "healthy" while every request fails.',
    fix: 'Query the database in /healthz, and answer 503 if that fails:\n    return {"status": "unhealthy"}, 503',
    run: async (project) => {
      const { during } = await outage(project);
      return during.healthz === 503
        ? []
        : [`GET /healthz is ${during.healthz ?? 'not answered'} while db is stopped`];
    },
  },
  {
    id: 'health.nginx-alone',
    title: 'GET /nginx-health still returns 200 while the database is stopped',
    chapter: 'Health checks',
    points: 1,
    destructive: true,
    why: 'It is about nginx alone: a proxy that is taken out because of another tier cannot even say what is wrong.',
    fix: '# no proxy_pass\nlocation = /nginx-health { return 200 "healthy\\n"; }',
    run: async (project) => {
      const { during } = await outage(project);
      return during.nginx === 200
        ? []
        : [`GET /nginx-health is ${during.nginx ?? 'not answered'} while db is stopped`];
    },
  },
  {
    id: 'health.recovers',
    title: 'When the database is back, the application recovers by itself',
    chapter: 'Production patterns',
    points: 3,
    destructive: true,
    why: 'Databases restart, for updates too. An API that keeps a dead connection needs a person each time.',
    fix: 'Use a pool that opens new connections, or connect for each request.\nDo not keep one connection for the life of the process.',
    run: async (project) => (await outage(project)).after,
  },
];
