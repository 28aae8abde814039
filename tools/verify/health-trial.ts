// Runs health checks in throw-away containers, without a network, where the service does not work.
import { setTimeout as sleep } from 'node:timers/promises';
import { lastLine } from './command.ts';
import { NotPossible } from './errors.ts';
import { answering, label, type Situation, trialModel } from './health-trial-model.ts';
import type { HealthCheck } from './model.ts';
import type { Project } from './project.ts';

/** A check that succeeded where it must not. */
export interface Success {
  service: string;
  against: Situation;
  output: string;
}

interface Trial {
  id: string;
  service: string;
  against: Situation;
}

interface State {
  Id: string;
  State: { Status: string; ExitCode: number };
  Config: { Labels: Record<string, string> };
}

const limitMs = 8_000; // a check that takes longer is not one that succeeds at once

/** The checks that succeed although their service does not work. Throws NotPossible. */
export async function successes(
  project: Project,
  checks: [string, HealthCheck][],
): Promise<Success[]> {
  const trials = `${project.mark}-trial`;
  const model = await trialModel(project, checks);
  const options = ['-p', trials, '-f', '-', '--project-directory', project.directory];
  const create = ['up', '--no-start', '--no-build', '--pull', 'never'];
  const input = JSON.stringify(model);
  try {
    const { code, stderr } = await project.docker(['compose', ...options, ...create], { input });
    if (code !== 0) throw new NotPossible(`docker compose up: ${lastLine(stderr)}`);
    return await outcomes(project, trials);
  } finally {
    await removeAll(project, trials);
  }
}

async function containersOf(project: Project, trials: string): Promise<State[]> {
  const filter = `label=com.docker.compose.project=${trials}`;
  const { stdout } = await project.docker([
    'ps',
    '--all',
    '--quiet',
    '--no-trunc',
    '--filter',
    filter,
  ]);
  const ids = stdout.toString().split('\n').filter(Boolean);
  return inspect(project, ids);
}

async function inspect(project: Project, ids: string[]): Promise<State[]> {
  if (ids.length === 0) return [];
  const { stdout } = await project.docker(['inspect', ...ids]);
  return JSON.parse(stdout.toString()) as State[];
}

const serviceLabel = 'com.docker.compose.service';

/** Tries the checks where nothing runs, and those that fail there where every answer is 503. */
async function outcomes(project: Project, trials: string): Promise<Success[]> {
  const containers = await containersOf(project, trials);
  const server = containers.find(({ Config }) => Config.Labels[serviceLabel] === answering);
  if (server) await project.docker(['start', server.Id]);
  const list = containers.filter((container) => container !== server).map(trialIn);

  const always = await succeeding(
    project,
    list.filter(({ against }) => against === 'nothing'),
  );
  const known = new Set(always.map(({ service }) => service));
  const careless = await succeeding(
    project,
    list.filter(({ against, service }) => against === '503' && !known.has(service)),
  );
  return Promise.all(
    [...always, ...careless].map(async ({ id, service, against }) => {
      const { stdout, stderr } = await project.docker(['logs', '--tail', '3', id]);
      return { service, against, output: `${stdout.toString()}${stderr}`.trim() };
    }),
  );
}

const trialIn = ({ Id, Config: { Labels } }: State): Trial => ({
  id: Id,
  service: Labels[label] ?? '',
  against: Labels[`${label}.against`] === '503' ? '503' : 'nothing',
});

/** Starts trials, and returns those that end with 0. */
async function succeeding(project: Project, list: Trial[]): Promise<Trial[]> {
  // One that cannot be started, such as for a missing command, has not succeeded.
  await Promise.all(list.map(({ id }) => project.docker(['start', id])));
  const ids = list.map(({ id }) => id);
  const end = Date.now() + limitMs;
  let states = await inspect(project, ids);
  while (states.some(({ State: { Status } }) => Status === 'running') && Date.now() < end) {
    await sleep(250);
    states = await inspect(project, ids);
  }
  const ended = states.filter(
    ({ State: { Status, ExitCode } }) => Status === 'exited' && ExitCode === 0,
  );
  const succeeded = new Set(ended.map(({ Id }) => Id));
  return list.filter(({ id }) => succeeded.has(id));
}

async function removeAll(project: Project, trials: string): Promise<void> {
  const ids = (await containersOf(project, trials)).map(({ Id }) => Id);
  if (ids.length > 0) await project.docker(['rm', '--force', '--volumes', ...ids]);
}
