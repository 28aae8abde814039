// What the destructive checks do to a stack, and how they see that it is as it was.
import { setTimeout as sleep } from 'node:timers/promises';
import { NotPossible } from './check.ts';
import { lastLine } from './command.ts';
import type { Container } from './model.ts';
import type { Project } from './project.ts';

const label = 'com.docker.compose.';

/** All tasks as one value: equal if and only if every row is. */
export function fingerprint(project: Project, database?: string): Promise<string> {
  return project.sql(
    "SELECT count(*) || ' rows, ' || md5(coalesce(string_agg(t::text, E'\\n' ORDER BY t::text), '')) FROM tasks t",
    database,
  );
}

/** Throws NotPossible unless the application works, and the files at hand would start the very same containers again. */
export async function mayBeStopped(project: Project): Promise<void> {
  await Promise.all([project.container('web'), project.container('api'), project.container('db')]);
  await project.answers();
  if (!(await worksAgain(project, 5_000)))
    throw new NotPossible('the application does not work: GET /healthz is not 200');
  const { stdout } = await project.compose(['--profile', '*', 'config', '--hash', '*']);
  const hashes = new Map(
    stdout
      .toString()
      .trim()
      .split('\n')
      .map((line) => line.split(' ') as [string, string]),
  );
  const others = (await project.containers()).filter(
    ({ Config }) =>
      Config.Labels[`${label}config-hash`] !== hashes.get(Config.Labels[`${label}service`] ?? ''),
  );
  if (others.length > 0) {
    const names = others.map(({ Name }) => Name.slice(1)).join(', ');
    throw new NotPossible(
      `${names} runs with other files or settings than are given here: name the same with -f and --env-file, or run docker compose up -d first`,
    );
  }
}

/** Waits until no container is unhealthy or starting; false if that took too long. */
export function healthyAgain(project: Project, limitMs: number): Promise<boolean> {
  return project.eventually(async () => {
    project.forgetContainers();
    return (await project.containers()).every(
      ({ State }) =>
        State.Status === 'running' && (State.Health?.Status ?? 'healthy') === 'healthy',
    );
  }, limitMs);
}

/** Waits until the application answers, wherever its port now is; false if that took too long. */
export function worksAgain(project: Project, limitMs: number): Promise<boolean> {
  return project.eventually(async () => {
    project.forgetContainers();
    return (await project.status('/healthz')) === 200;
  }, limitMs);
}

/** Waits until the database answers. An API that does not ask it says 200 before. */
export function databaseAnswers(project: Project, limitMs: number): Promise<boolean> {
  return project.eventually(async () => (await project.sql('SELECT 1')) === '1', limitMs);
}

/** Waits until the application answers again; says what is wrong if it does not, or if the tasks are not those of `before`. */
async function isAsBefore(project: Project, before: string, event: string): Promise<string[]> {
  if (!(await worksAgain(project, 45_000))) {
    return [`GET /healthz is not 200 within 45 s after ${event}`];
  }
  await databaseAnswers(project, 20_000);
  const after = await fingerprint(project);
  return after === before ? [] : [`before ${event}: ${before}; after: ${after}`];
}

/** `docker compose down`, never with -v, and `up` of what ran before. Returns what is wrong afterwards. */
export async function downAndUp(project: Project): Promise<string[]> {
  await mayBeStopped(project);
  const before = await fingerprint(project);
  const counts = new Map<string, number>();
  for (const { Config } of await project.containers()) {
    const service = Config.Labels[`${label}service`] ?? '';
    counts.set(service, (counts.get(service) ?? 0) + 1);
  }
  const scale = [...counts].flatMap(([service, count]) => ['--scale', `${service}=${count}`]);
  const up = () =>
    project.compose(['--profile', '*', 'up', '-d', '--no-build', ...scale, ...counts.keys()], {
      limitMs: 90_000,
    });

  await project.compose(['--profile', '*', 'down'], { limitMs: 90_000 });
  const { code, stderr } = await up();
  if (code !== 0) return [`docker compose up: ${lastLine(stderr)}`];
  return isAsBefore(project, before, 'down and up');
}

/** All containers end, and start in the worst order that a reboot may take: web first. Returns what is wrong afterwards. */
export async function reboot(project: Project): Promise<string[]> {
  await mayBeStopped(project);
  const before = await fingerprint(project);
  const rank = ['web', 'api', 'db']; // dependencies count for `docker compose` only
  const position = ({ Config }: Container) => rank.indexOf(Config.Labels[`${label}service`] ?? '');
  const ids = (await project.containers())
    .toSorted((a, b) => position(a) - position(b))
    .map(({ Id }) => Id);
  try {
    await project.docker(['stop', ...ids], { limitMs: 70_000 });
    for (const id of ids) {
      await project.docker(['start', id], { limitMs: 30_000 });
      await sleep(1_000); // long enough to find that the next one is not there
    }
    return await isAsBefore(project, before, 'a restart of all containers');
  } finally {
    await project.docker(['start', ...ids], { limitMs: 30_000 }); // those that are still down
    await healthyAgain(project, 20_000);
  }
}
