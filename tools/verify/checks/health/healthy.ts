import { type Check, snippet } from '../../check.ts';
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
import { eventually } from '../../wait.ts';

export const check: Check = {
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
    if (!containers.some(({ State }) => State.Health))
      throw new NotPossible('no container has a health check');
    return faultsOfOldContainers(project, containers);
  },
};

/** What runs without the health check that the files give it: nothing has asked it. */
async function faultsOfOldContainers(project: Project, containers: Container[]): Promise<string[]> {
  const checks = new Map(await allHealthChecks(project));
  const old = containers.filter(
    (container) => !container.State.Health && checks.get(serviceNameOf(container)),
  );
  return old.map((one) => `${nameOf(one)} runs without its health check: docker compose up -d`);
}

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
