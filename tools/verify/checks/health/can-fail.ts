import { type Check, snippet } from '../../check.ts';
import { NotPossible } from '../../errors.ts';
import { allHealthChecks } from '../../health-checks.ts';
import { type Success, successes } from '../../health-trial.ts';
import type { HealthCheck } from '../../model.ts';

export const check: Check = {
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
    const checks = all.flatMap(([name, healthCheck]): [string, HealthCheck][] =>
      healthCheck ? [[name, healthCheck]] : [],
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
