import type { Definition } from '../../check.ts';
import { NotPossible } from '../../errors.ts';
import { allHealthChecks } from '../../health-checks.ts';
import { type Success, successes } from '../../health-trial.ts';
import type { HealthCheck } from '../../model.ts';
import { say } from '../../texts.ts';

export const check: Definition = {
  id: 'health.can-fail',
  chapter: 'Health checks',
  points: 1,
  waits: true,
  async run(project) {
    const all = await allHealthChecks(project);
    const checks = all.flatMap(([name, healthCheck]): [string, HealthCheck][] =>
      healthCheck ? [[name, healthCheck]] : [],
    );
    if (checks.length === 0) throw new NotPossible(say('shared.no-health-check'));
    const commands = new Map(
      checks.map(([name, { test = [] }]) => [name, test.slice(1).join(' ')]),
    );
    const wrong = await successes(project, checks);
    return wrong.map((success) => faultOf(success, commands.get(success.service)));
  },
};

function faultOf({ service, against, output }: Success, command = ''): string {
  const where =
    against === 'nothing'
      ? say('health.can-fail.where-nothing-runs')
      : say('health.can-fail.where-all-is-503');
  return output === ''
    ? say('health.can-fail.succeeds', { service, where, command })
    : say('health.can-fail.succeeds-and-prints', { service, where, output, command });
}
