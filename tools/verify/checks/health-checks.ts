// Whether each service has a health check, and a useful one.
import { type Check, snippet } from '../check.ts';
import type { HealthCheck } from '../model.ts';
import { allHealthChecks } from '../health-checks.ts';
import { NotPossible } from '../errors.ts';
import { type Success, successes } from '../health-trial.ts';

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
  title: 'Every health check sets its interval and timeout',
  chapter: 'Health checks',
  points: 2,
  why:
    "Docker's default of 30 s makes a stack slow to start and slow to notice a fault. " +
    'Write down the times that you want.',
  fix: snippet`
    healthcheck:
      interval: 10s
      timeout: 5s
  `,
  async run(project) {
    const faults: string[] = [];
    const checks = await allHealthChecks(project);
    if (!checks.some(([, check]) => check)) throw new NotPossible('no service has a health check');
    for (const [name, check] of checks) {
      if (!check) continue;
      const missing = (['interval', 'timeout'] as const).filter((key) => !check[key]);
      faults.push(...missing.map((key) => `${name}: no ${key}`));
    }
    return faults;
  },
};

const canFail: Check = {
  id: 'health.can-fail',
  title: 'Every health check is able to fail',
  chapter: 'Health checks',
  points: 1,
  why:
    'A check that succeeds where nothing runs, or where every answer is an error, never finds ' +
    'anything: the service would always be healthy.',
  fix: snippet`
    test: ["CMD", "curl", "-f", "http://localhost:8080/healthz"]
    # -f: a status of 400 or more is a failure. Without || true or | at the end
    # in an image without curl, with Python:
    test:
      - CMD
      - python3
      - -c
      - import urllib.request as u; u.urlopen("http://localhost:8080/healthz")
  `,
  async run(project) {
    const all = await allHealthChecks(project);
    const checks = all.flatMap(([name, check]): [string, HealthCheck][] =>
      check ? [[name, check]] : [],
    );
    if (checks.length === 0) throw new NotPossible('no service has a health check');
    const commands = new Map(
      checks.map(([name, { test = [] }]) => [name, test.slice(1).join(' ')]),
    );
    const wrong = await successes(project, checks);
    return wrong.map((success) => faultOf(success, commands.get(success.service)));
  },
};

function faultOf({ service, against, output }: Success, command = ''): string {
  const where = against === 'nothing' ? 'where nothing runs' : 'where every answer is 503';
  const printed = output === '' ? '' : `, and prints ${output}`;
  return `${service}: the check succeeds ${where}${printed}: ${command}`;
}

export const healthChecks: Check[] = [present, timing, canFail];
