// Runs health checks in throw-away containers, without a network, where the service does not work.
import { setTimeout as sleep } from 'node:timers/promises';
import { lastLine } from './command.ts';
import { inspect } from './containers.ts';
import { durationMs } from './duration.ts';
import { NotPossible } from './errors.ts';
import { label, type Situation, trialModel } from './health-trial-model.ts';
import { answering } from './health-trial-server.ts';
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
  /** How long the engine lets the check run. */
  limitMs: number;
}

interface State {
  Id: string;
  State: { Status: string; ExitCode: number; StartedAt: string; FinishedAt: string };
  Config: { Labels: Record<string, string> };
}

const longestMs = 30_000; // as by default

/** How long the engine lets a check run: one that takes longer has failed. */
function limitOf({ timeout }: HealthCheck): number {
  const ms = typeof timeout === 'number' ? timeout / 1e6 : durationMs(timeout);
  return Math.min(longestMs, ms || longestMs);
}

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
    const { code, stderr } = await project.docker(['compose', ...options, ...create], {
      input,
      limitMs: 60_000,
    });
    if (code !== 0) throw new NotPossible(`docker compose up: ${lastLine(stderr)}`);
    return await outcomes(project, trials, new Map(checks));
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
  return inspectAll(project, ids);
}

const inspectAll = async (project: Project, ids: string[]): Promise<State[]> =>
  ids.length === 0 ? [] : inspect<State>(project, ids);

const serviceLabel = 'com.docker.compose.service';

/** Tries the checks where nothing runs, and those that fail there where every answer is 503. */
async function outcomes(
  project: Project,
  trials: string,
  checks: Map<string, HealthCheck>,
): Promise<Success[]> {
  const containers = await containersOf(project, trials);
  const server = containers.find(({ Config }) => Config.Labels[serviceLabel] === answering);
  if (server) await project.docker(['start', server.Id]);
  const list = containers.filter((one) => one !== server).map((one) => trialIn(one, checks));

  const [alone, answered] = [list.filter(isAlone), list.filter((trial) => !isAlone(trial))];
  const always = await succeeding(project, alone);
  const known = new Set(always.map(({ service }) => service));
  const others = answered.filter(({ service }) => !known.has(service));
  const careless = server ? await carelessAmong(project, server.Id, others) : [];
  return [...(await withOutput(project, always)), ...careless];
}

function trialIn({ Id, Config: { Labels } }: State, checks: Map<string, HealthCheck>): Trial {
  const service = Labels[label] ?? '';
  const against = Labels[`${label}.against`] === '503' ? '503' : 'nothing';
  return { id: Id, service, against, limitMs: limitOf(checks.get(service) ?? {}) };
}

const isAlone = ({ against }: Trial) => against === 'nothing';

/** The checks that want an answer, and take 503 for a good one. */
async function carelessAmong(project: Project, server: string, list: Trial[]): Promise<Success[]> {
  const content = await succeeding(project, list);
  if (content.length === 0) return [];
  const found = await withOutput(project, content);
  // One that only connects, such as nc -z, has not seen the 503: it succeeds without an answer, too.
  await project.docker(['exec', server, 'touch', '/tmp/silent']);
  const connecting = await succeeding(project, content);
  const names = new Set(connecting.map(({ service }) => service));
  return found.filter(({ service }) => !names.has(service));
}

const withOutput = (project: Project, list: Trial[]): Promise<Success[]> =>
  Promise.all(
    list.map(async ({ id, service, against }) => {
      const { stdout, stderr } = await project.docker(['logs', '--tail', '3', id]);
      return { service, against, output: `${stdout.toString()}${stderr}`.trim() };
    }),
  );

/** Starts trials, and returns those that end with 0 in time. */
async function succeeding(project: Project, list: Trial[]): Promise<Trial[]> {
  // One that cannot be started, such as for a missing command, has not succeeded.
  await Promise.all(list.map(({ id }) => project.docker(['start', id])));
  const limits = new Map(list.map(({ id, limitMs }) => [id, limitMs]));
  const limitOfState = ({ Id }: State) => limits.get(Id) ?? 0;
  const from = Date.now();
  const isOpen = (one: State) =>
    one.State.Status === 'running' && Date.now() - from < limitOfState(one);
  let states = await inspectAll(project, [...limits.keys()]);
  while (states.some(isOpen)) {
    await sleep(pollMs);
    states = await inspectAll(project, [...limits.keys()]);
  }
  const ended = states.filter((one) => hasSucceeded(one, limitOfState(one)));
  const succeeded = new Set(ended.map(({ Id }) => Id));
  return list.filter(({ id }) => succeeded.has(id));
}

const pollMs = 250;

function hasSucceeded({ State }: State, limitMs: number): boolean {
  const { Status, ExitCode, StartedAt, FinishedAt } = State;
  const isInTime = Date.parse(FinishedAt) - Date.parse(StartedAt) <= limitMs;
  return Status === 'exited' && ExitCode === 0 && isInTime;
}

async function removeAll(project: Project, trials: string): Promise<void> {
  const ids = (await containersOf(project, trials)).map(({ Id }) => Id);
  if (ids.length === 0) return;
  await project.docker(['rm', '--force', '--volumes', ...ids], { limitMs: 60_000 });
}
