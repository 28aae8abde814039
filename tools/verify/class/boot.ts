// Starts the containers of a submission, and waits until they are healthy or cannot become so.
import { setTimeout as sleep } from 'node:timers/promises';
import { failureOf } from './command.ts';
import { type Docker, linesOf } from './docker.ts';
import { label } from './fenced.ts';
import { limits } from './limits.ts';

export interface Boot {
  docker: Docker;
  project: string;
  /** The directory that its paths are in, and the file with the model. */
  mounted: string;
  model: string;
}

/** Returns what went wrong. */
export async function boot({ docker, project, mounted, model }: Boot): Promise<string[]> {
  const end = Date.now() + limits.upMs;
  const compose = ['compose', '-p', project, '--project-directory', mounted, '-f', model];
  const up = ['up', '--detach', '--no-build', '--quiet-pull'];
  const ended = await docker([...compose, ...up], { limitMs: limits.upMs, cwd: mounted });
  const faults = ended.ok ? [] : [`docker compose up: ${failureOf(ended, 3)}`];
  while (Date.now() < end && (await isStarting(docker, project))) await sleep(500);
  return faults;
}

async function isStarting(docker: Docker, project: string): Promise<boolean> {
  const filter = ['--filter', `label=${label}=${project}`];
  const ended = await docker(['ps', ...filter, '--format', '{{.Status}}']);
  return linesOf(ended).some((status) => status.includes('health: starting'));
}
