import { type Check, snippet } from '../check.ts';
import { faultsOfAttempt } from '../errors.ts';
import { always, lasting, type Service, type Tier, tiers } from '../model.ts';
import { composeModel, findService, productionModel, resolvedModel } from '../compose.ts';
import type { Project } from '../project.ts';

const model: Check = {
  id: 'compose.model',
  title: 'docker compose can read the files, and they define the services web, api and db',
  chapter: 'Compose basics',
  points: 2,
  why: 'The other checks look at the model that Compose makes of these files.',
  fix: snippet`
    docker compose config --quiet    # names the line at fault
    cp .env.example .env             # if .env is missing
    services:
      web: …
      api: …
      db: …
  `,
  async run(project) {
    const faults = await faultsOfAttempt(composeModel(project));
    if (faults.length > 0) return faults;
    const { services } = await composeModel(project);
    const names = Object.keys(services).join(', ');
    const missing = tiers.filter((name) => !(name in services));
    return missing.map((name) => `there is no service ${name}, only ${names}`);
  },
};

const variables: Check = {
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

const apiWaitsForDb: Check = {
  id: 'compose.depends-api',
  title: 'api starts once db is healthy',
  chapter: 'Service configuration',
  points: 2,
  why:
    'A plain list of names only waits for the container: ' +
    'PostgreSQL may still be initialising when the API connects.',
  fix: snippet`
    api:
      depends_on:
        db:
          condition: service_healthy
  `,
  run: (project) => faultsOfWaiting(project, 'api', 'db'),
};

const webWaitsForApi: Check = {
  id: 'compose.depends-web',
  title: 'web starts once api is healthy',
  chapter: 'Service configuration',
  points: 2,
  why: 'Otherwise nginx exits because it cannot resolve the name api, or it answers 502 at first.',
  fix: snippet`
    web:
      depends_on:
        api:
          condition: service_healthy
  `,
  run: (project) => faultsOfWaiting(project, 'web', 'api'),
};

async function faultsOfWaiting(project: Project, name: Tier, needed: Tier): Promise<string[]> {
  const { depends_on = {} } = await findService(project, name);
  const condition = depends_on[needed]?.condition;
  if (condition === 'service_healthy') return [];
  if (condition === undefined) return [`${name} does not depend on ${needed}`];
  return [`${name} waits for ${needed} by ${condition}`];
}

const restart: Check = {
  id: 'compose.restart',
  title: 'Every service restarts after a crash and after a reboot',
  chapter: 'Service configuration',
  points: 2,
  why:
    'The default is "no": what crashes at night stays down until somebody notices. ' +
    'on-failure does not start it after a reboot.',
  fix: 'restart: unless-stopped',
  async run(project) {
    const production = await productionModel(project).catch(() => undefined);
    const faults = lasting(await composeModel(project)).flatMap(faultsOfRestart);
    const inProduction = production ? always(production).flatMap(faultsOfRestart) : [];
    const others = inProduction.filter((fault) => !faults.includes(fault));
    return [...faults, ...others.map((fault) => `in production, ${fault}`)];
  },
};

function faultsOfRestart([name, service]: [string, Service]): string[] {
  const policy = restartPolicy(service);
  if (policy === undefined) return [`${name} has no restart policy`];
  return policy === 'unless-stopped' || policy === 'always'
    ? []
    : [`${name} has restart: ${policy}`];
}

function restartPolicy({ restart: policy, deploy }: Service): string | undefined {
  const { condition } = deploy?.restart_policy ?? {};
  return policy ?? (condition === 'any' ? 'always' : condition);
}

const logging: Check = {
  id: 'compose.logging',
  title: 'The logs of every service are limited in size',
  chapter: 'Service configuration',
  points: 2,
  why: 'Without a limit they fill the disk, and a full disk stops the database.',
  fix: snippet`
    logging:
      driver: json-file
      options: { max-size: 10m, max-file: "3" }
  `,
  async run(project) {
    return lasting(await composeModel(project)).flatMap(faultsOfLogging);
  },
};

function faultsOfLogging([name, service]: [string, Service]): string[] {
  const { driver = 'json-file', options = {} } = service.logging ?? {}; // the engine's default
  if (!service.logging) return [`${name} has no logging section`];
  // The driver local has limits of its own; the others keep nothing on this disk.
  if (driver !== 'json-file') return [];
  const missing = ['max-size', 'max-file'].filter((option) => !(option in options));
  const faults = missing.map((option) => `${name} sets no ${option} for its logs`);
  const { 'max-size': size, 'max-file': files } = options;
  if (size !== undefined && !(bytesOf(size) * (Number(files) || 1) <= mostBytes))
    faults.push(`${name} has max-size: ${size} and max-file: ${files ?? 1}, no limit`);
  return faults;
}

const mostBytes = 10 * 1_024 ** 3; // more than that is no limit on the disk of a small server

/** The size of a log, as Docker reads it; NaN for -1, which is no limit. */
function bytesOf(size: string): number {
  const [, number, unit = ''] = /^(\d+)([kmg]?)b?$/i.exec(size.trim()) ?? [];
  return Number(number) * 1_024 ** ['', 'k', 'm', 'g'].indexOf(unit.toLowerCase());
}

export const compose: Check[] = [model, variables, apiWaitsForDb, webWaitsForApi, restart, logging];
