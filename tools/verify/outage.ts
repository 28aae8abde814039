// Stops the database and starts it again, once for all checks that look at such an outage.
import { containersOf, forgetContainers, isRunning, runningContainer } from './containers.ts';
import { patienceWith } from './health-checks.ts';
import {
  databaseAnswers,
  fingerprint,
  healthyAgain,
  mayBeStopped,
  worksAgain,
} from './lifecycle.ts';
import type { Project } from './project.ts';
import { say } from './texts.ts';
import { eventually } from './wait.ts';
import { statusOf } from './web.ts';

export interface Outage {
  /** Statuses while the database is stopped; undefined where nothing answered. */
  during: { healthz: number | undefined; nginx: number | undefined };
  /**
   * The health of api, or its state if it does not run; undefined if it has no health check, does not
   * run at first, or /healthz is still 200.
   */
  api: { status: string; output: string } | undefined;
  /** What is wrong after the database was started again. */
  after: string[];
}

const startDatabase = (project: Project) => project.compose(['start', 'db'], { limitMs: 30_000 });

async function statusesWithoutDatabase(project: Project): Promise<Outage['during']> {
  await project.compose(['stop', 'db'], { limitMs: 30_000 });
  const replicas = (await containersOf(project, 'api')).length;
  let healthz: number | undefined;
  /** Whether every replica says it: nginx asks them in turn. */
  const saysSo = async () => {
    for (let asked = 0; asked < 2 * replicas; asked++) {
      healthz = await statusOf(project, '/healthz');
      if (healthz !== 503) return false;
    }
    return true;
  };
  await eventually(saysSo, 10_000);
  let nginx: number | undefined;
  const nginxAnswers = async () => {
    nginx = await statusOf(project, '/nginx-health');
    return nginx !== undefined;
  };
  await eventually(nginxAnswers, 10_000);
  return { healthz, nginx };
}

/** Waits until the health check of api fails, for as long as that may take. */
async function healthOfApi(project: Project): Promise<Outage['api']> {
  let last: Outage['api'];
  const failsNow = async () => {
    forgetContainers(project);
    const [container] = await containersOf(project, 'api');
    const { Health, Status = 'gone' } = container?.State ?? {};
    const health = Health && {
      status: Health.Status,
      output: Health.Log?.at(-1)?.Output.trim() ?? '',
    };
    last = container && isRunning(container) ? health : { status: Status, output: '' };
    return last?.status !== 'healthy';
  };
  const api = await runningContainer(project, 'api').catch(() => undefined);
  if (api?.State.Health) await eventually(failsNow, 5_000 + patienceWith(api));
  return last;
}

async function faultsAfterwards(project: Project, before: string): Promise<string[]> {
  if (!(await worksAgain(project, 30_000))) return [say('health.recovers.down')];
  await databaseAnswers(project, 20_000);
  const after = await fingerprint(project);
  return after === before ? [] : [say('health.recovers.other-tasks')];
}

/** Leaves the stack as it was, with a restart for an API that does not recover by itself. */
async function putBack(project: Project): Promise<void> {
  await startDatabase(project);
  if ((await statusOf(project, '/healthz')) !== 200)
    await project.compose(['restart', 'api'], { limitMs: 60_000 });
  await healthyAgain(project);
}

/** What happened during and after the outage. Throws as `mayBeStopped` does. */
export function outage(project: Project): Promise<Outage> {
  return project.once('outage', async () => {
    await mayBeStopped(project);
    const before = await fingerprint(project);
    try {
      const during = await statusesWithoutDatabase(project);
      // A health check that asks /healthz cannot know more than that.
      const api = during.healthz === 200 ? undefined : await healthOfApi(project);
      await startDatabase(project);
      return { during, api, after: await faultsAfterwards(project, before) };
    } finally {
      await putBack(project);
    }
  });
}
