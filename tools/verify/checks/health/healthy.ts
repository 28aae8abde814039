import type { Definition } from '../../check.ts';
import {
  allContainers,
  forgetContainers,
  isRunning,
  nameOf,
  runningContainer,
  serviceNameOf,
} from '../../containers.ts';
import { NotPossible } from '../../errors.ts';
import { allHealthChecks, patience } from '../../health-checks.ts';
import { type Container, tiers } from '../../model.ts';
import type { Project } from '../../project.ts';
import { say } from '../../texts.ts';
import { eventually } from '../../wait.ts';

export const check: Definition = {
  id: 'health.healthy',
  chapter: 'Health checks',
  points: 3,
  waits: true,
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
    if (!containers.some(({ State }) => State.Health))
      throw new NotPossible(say('health.healthy.no-health-check'));
    return faultsOfOldContainers(project, containers);
  },
};

/** What runs without the health check that the files give it: nothing has asked it. */
async function faultsOfOldContainers(project: Project, containers: Container[]): Promise<string[]> {
  const checks = new Map(await allHealthChecks(project));
  const old = containers.filter(
    (container) => !container.State.Health && checks.get(serviceNameOf(container)),
  );
  return old.map(nameOf).map((container) => say('health.healthy.old', { container }));
}

/** It runs, has a health check, and that has not passed. */
function isUnhealthy(container: Container): boolean {
  const { Health } = container.State;
  if (!isRunning(container) || !Health) return false;
  return Health.Status !== 'healthy';
}

function faultOfHealth(container: Container): string {
  const { Health } = container.State;
  const output = Health?.Log?.at(-1)?.Output.trim() || say('health.healthy.no-output');
  const status = Health?.Status;
  return say('health.healthy.unhealthy', { container: nameOf(container), status, output });
}
