// Whether each service has a health check, and a useful one.
import { type Check, snippet } from '../check.ts';
import { imageOf } from '../containers.ts';
import { type HealthCheck, lasting, type Service } from '../model.ts';
import { composeModel } from '../compose.ts';
import type { Project } from '../project.ts';

/** The services that run all the time, each with its health check; undefined if it has none. */
function allHealthChecks(project: Project): Promise<[string, HealthCheck | undefined][]> {
  return project.once('health checks', async () => {
    const services = lasting(await composeModel(project));
    return Promise.all(
      services.map(async ([name, service]): Promise<[string, HealthCheck | undefined]> => [
        name,
        await healthCheckOf(project, name, service),
      ]),
    );
  });
}

/** The health check in effect: what Compose says comes before what the image says. */
async function healthCheckOf(
  project: Project,
  name: string,
  { healthcheck = {} }: Service,
): Promise<HealthCheck | undefined> {
  if (healthcheck.disable || healthcheck.test?.[0] === 'NONE') return undefined;
  if (healthcheck.test) return healthcheck;
  const { Healthcheck: ofImage } = (await imageOf(project, name)).Config;
  if (!ofImage?.Test || ofImage.Test[0] === 'NONE') return undefined;
  // In an image, zero means "not set".
  return {
    test: ofImage.Test,
    ...(ofImage.Interval && { interval: ofImage.Interval }),
    ...(ofImage.Timeout && { timeout: ofImage.Timeout }),
    ...(ofImage.Retries && { retries: ofImage.Retries }),
    ...healthcheck,
  };
}

const present: Check = {
  id: 'health.checks',
  title: 'Every service has a health check',
  chapter: 'Health checks',
  points: 3,
  why:
    'Without one, Docker only knows that a service is running, ' +
    'and other services cannot wait until it works.',
  fix: snippet`
    db:
      healthcheck:
        test: ["CMD-SHELL", "pg_isready -U $$POSTGRES_USER -d $$POSTGRES_DB"]
  `,
  async run(project) {
    const missing = (await allHealthChecks(project)).filter(([, check]) => !check);
    return missing.map(([name]) => `${name} has no health check`);
  },
};

const timing: Check = {
  id: 'health.timing',
  title: 'Every health check sets its interval, timeout and retries',
  chapter: 'Health checks',
  points: 2,
  why:
    "Docker's default of 30 s makes a stack slow to start and slow to notice a fault. " +
    'Write down the times that you want.',
  fix: snippet`
    healthcheck:
      interval: 10s
      timeout: 5s
      retries: 3
  `,
  async run(project) {
    const faults: string[] = [];
    for (const [name, check] of await allHealthChecks(project)) {
      if (!check) continue;
      const missing = (['interval', 'timeout', 'retries'] as const).filter((key) => !check[key]);
      faults.push(...missing.map((key) => `${name}: no ${key}`));
    }
    return faults;
  },
};

const curlWithoutFail = /\bcurl\b(?!.*\s(?:-\w*f|--fail))/s;
const alwaysTrueAtEnd = /(?:\|\||;)\s*(?:true|:|exit 0)\s*["']?\s*$/;

const canFail: Check = {
  id: 'health.can-fail',
  title: 'Every health check is able to fail',
  chapter: 'Health checks',
  points: 1,
  why:
    'curl without -f accepts a 500, and `|| true` accepts anything: ' +
    'the service would always be healthy.',
  fix: 'test: ["CMD", "curl", "-f", "http://localhost:8080/healthz"]',
  async run(project) {
    const faults: string[] = [];
    for (const [name, check] of await allHealthChecks(project)) {
      const command = check?.test?.slice(1).join(' ') ?? '';
      if (curlWithoutFail.test(command)) faults.push(`${name}: curl without -f: ${command}`);
      if (alwaysTrueAtEnd.test(command)) faults.push(`${name} always succeeds: ${command}`);
    }
    return faults;
  },
};

export const healthChecks: Check[] = [present, timing, canFail];
