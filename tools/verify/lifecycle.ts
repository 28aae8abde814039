// What the destructive checks do to a stack, and how they make sure that it is as it was.
import { setTimeout as sleep } from 'node:timers/promises';
import { type Ended, lastLine } from './command.ts';
import {
  allContainers,
  forgetContainers,
  isRunning,
  runningContainer,
  serviceNameOf,
} from './containers.ts';
import { NotPossible } from './errors.ts';
import { patience } from './health-checks.ts';
import { type Container, tiers } from './model.ts';
import { sql } from './postgres.ts';
import type { Project } from './project.ts';
import { copyOf } from './table.ts';
import { say } from './texts.ts';
import { eventually } from './wait.ts';
import { mustAnswer, statusOf } from './web.ts';

/** A statement with one value for all tasks. */
export const fingerprintSql = `
  SELECT count(*) || ' rows, ' || md5(coalesce(string_agg(t::text, E'\\n' ORDER BY t::text), ''))
  FROM tasks t`;

/** One value for all tasks: two are equal if and only if every row is. */
export const fingerprint = (project: Project, database?: string): Promise<string> =>
  sql(project, fingerprintSql, database);

/**
 * Throws NotPossible unless the application works, and `docker compose up` with the files at hand
 * would start exactly the containers that now run.
 */
export async function mayBeStopped(project: Project): Promise<void> {
  for (const tier of tiers) await runningContainer(project, tier);
  await mustAnswer(project);
  if (!(await worksAgain(project, 5_000))) throw new NotPossible(say('shared.does-not-work'));

  await copyOf(project);
  const others = await wouldBeMade(project);
  if (others.length === 0) return;
  throw new NotPossible(say('shared.other-settings', { containers: others.join(', ') }));
}

/** The containers that `docker compose up` would make, instead of those that run. */
async function wouldBeMade(project: Project): Promise<string[]> {
  const args = ['--dry-run', ...upOf(await replicaCounts(project))];
  const { code, stdout, stderr } = await project.compose(args, { limitMs: 60_000 });
  if (code !== 0) throw new NotPossible(`docker compose up --dry-run: ${lastLine(stderr)}`);
  const steps = `${stdout.toString()}\n${stderr}`.matchAll(/Container (\S+) +(?:Re)?[Cc]reat/g);
  return [...new Set([...steps].map(([, name = '']) => name))];
}

/**
 * Starts containers again that a request of a check has made end: the engine does not do that for
 * every service. After what may be a crash, waits until the engine knows of it. Returns false if
 * the application does not answer, although no container has ended.
 */
export async function startEnded(project: Project, mayHaveCrashed: boolean): Promise<boolean> {
  const ran = (await allContainers(project)).filter(isRunning).map(({ Id }) => Id);
  if (ran.length === 0) return true;
  const hasEnded = () => someHasEnded(project, ran);
  const isSettled = async () => (await isHealthy(project)) || (await hasEnded());
  const isKnown = !mayHaveCrashed || (await eventually(isSettled, 5_000));
  if (!(await hasEnded())) return isKnown;
  await project.docker(['start', ...ran], { limitMs: 30_000 });
  await worksAgain(project, 10_000);
  return true;
}

async function someHasEnded(project: Project, ids: string[]): Promise<boolean> {
  const { stdout } = await project.docker(['inspect', '--format', '{{.State.Status}}', ...ids]);
  const states = stdout.toString().trim().split('\n');
  return states.some((state) => state !== 'running');
}

/** Waits until every container runs and is healthy. Returns false after the stack's own times. */
export async function healthyAgain(project: Project): Promise<boolean> {
  const limitMs = 20_000 + (await patience(project));
  const isWell = (container: Container) =>
    isRunning(container) && (container.State.Health?.Status ?? 'healthy') === 'healthy';
  return eventually(async () => {
    forgetContainers(project);
    return (await allContainers(project)).every(isWell);
  }, limitMs);
}

/** Waits until the application answers, on whichever port. Returns false after the limit. */
export function worksAgain(project: Project, limitMs: number): Promise<boolean> {
  return eventually(() => {
    forgetContainers(project);
    return isHealthy(project);
  }, limitMs);
}

const isHealthy = async (project: Project) => (await statusOf(project, '/healthz')) === 200;

/**
 * Waits until the database answers: an API that does not query it says 200 before.
 * Returns false after the limit.
 */
export function databaseAnswers(project: Project, limitMs: number): Promise<boolean> {
  return eventually(async () => (await sql(project, 'SELECT 1')) === '1', limitMs);
}

/** Waits until the application works again. Returns what is wrong then, lost tasks included. */
async function faultsAfter(event: string, project: Project, before: string): Promise<string[]> {
  if (!(await worksAgain(project, 45_000))) return [say('shared.down-afterwards', { event })];
  await databaseAnswers(project, 20_000);
  const after = await fingerprint(project);
  return after === before ? [] : [say('shared.other-rows-afterwards', { event, before, after })];
}

/** How many containers each service has. */
async function replicaCounts(project: Project): Promise<Map<string, number>> {
  const counts = new Map<string, number>();
  for (const container of await allContainers(project)) {
    const service = serviceNameOf(container);
    counts.set(service, (counts.get(service) ?? 0) + 1);
  }
  return counts;
}

function upOf(counts: Map<string, number>): string[] {
  const scale = [...counts].flatMap(([service, count]) => ['--scale', `${service}=${count}`]);
  return ['--profile', '*', 'up', '-d', '--no-build', ...scale, ...counts.keys()];
}

/** How long `up` may take: each service waits for the next, for as long as its check takes. */
export const upLimitMs = (ownMs: number): number => 90_000 + tiers.length * ownMs;

/** Starts these containers. */
function start(project: Project, counts: Map<string, number>, ownMs: number): Promise<Ended> {
  return project.compose(upOf(counts), { limitMs: upLimitMs(ownMs) });
}

/**
 * Runs `docker compose down`, never with -v, and `up` of what ran before.
 * Returns what is wrong afterwards. Throws as `mayBeStopped` does.
 */
export async function downAndUp(project: Project): Promise<string[]> {
  await mayBeStopped(project);
  const before = await fingerprint(project);
  const counts = await replicaCounts(project);
  const ownMs = await patience(project);
  let isUp = false;
  try {
    await project.compose(['--profile', '*', 'down'], { limitMs: 90_000 });
    const { code, stderr } = await start(project, counts, ownMs);
    isUp = code === 0;
    if (!isUp) return [`docker compose up: ${lastLine(stderr)}`];
  } finally {
    // Whatever happened: and a service that was only slow is up the second time.
    if (!isUp) await start(project, counts, ownMs);
  }
  return faultsAfter(say('operations.down-up.event'), project, before);
}

/** The ids of all containers, in the worst order that a reboot may take: web first, db last. */
async function idsInWorstOrder(project: Project): Promise<string[]> {
  const position = (container: Container) =>
    tiers.findIndex((tier) => tier === serviceNameOf(container));
  const containers = await allContainers(project);
  return containers.toSorted((a, b) => position(a) - position(b)).map(({ Id }) => Id);
}

/**
 * Stops all containers, and starts them without Compose, as the engine does after a reboot.
 * Returns what is wrong afterwards. Throws as `mayBeStopped` does.
 */
export async function reboot(project: Project): Promise<string[]> {
  await mayBeStopped(project);
  const before = await fingerprint(project);
  const ids = await idsInWorstOrder(project);
  try {
    await project.docker(['stop', ...ids], { limitMs: 70_000 });
    for (const id of ids) {
      await project.docker(['start', id], { limitMs: 30_000 });
      await sleep(1_000); // long enough to notice that the next one is missing
    }
    return await faultsAfter(say('operations.reboot.event'), project, before);
  } finally {
    await project.docker(['start', ...ids], { limitMs: 30_000 }); // those that are still down
    await healthyAgain(project);
  }
}
