// Takes a submission down: everything that it made the engine create, however far it got.
import { setTimeout as sleep } from 'node:timers/promises';
import { failureOf } from './command.ts';
import { type Docker, linesOf } from './docker.ts';
import { label } from './fenced.ts';
import { limits } from './limits.ts';

/** Removes containers, networks, volumes and images. Returns what is left. */
export async function removeAll(docker: Docker, project: string): Promise<string[]> {
  const end = Date.now() + limits.removeMs;
  let left = await remains(docker, project);
  // A command that was killed may have left the engine at work on something that appears later.
  while (left.length > 0 && Date.now() < end) {
    await removeOnce(docker, project);
    await sleep(300);
    left = await remains(docker, project);
  }
  return left;
}

/** The ids or names of one kind that carry the label of the project. */
async function found(docker: Docker, list: string[], project: string): Promise<string[]> {
  const ended = await docker([...list, '--quiet', '--filter', `label=${label}=${project}`]);
  if (!ended.ok) return [`docker ${list[0]}: ${failureOf(ended)}`];
  return [...new Set(linesOf(ended))];
}

const kinds = [
  { list: ['ps', '--all', '--no-trunc'], remove: ['rm', '--force', '--volumes'] },
  { list: ['network', 'ls', '--no-trunc'], remove: ['network', 'rm'] },
  { list: ['volume', 'ls'], remove: ['volume', 'rm', '--force'] },
  { list: ['image', 'ls', '--all'], remove: ['image', 'rm', '--force'] },
];

async function remains(docker: Docker, project: string): Promise<string[]> {
  const lists = kinds.map(({ list }) => found(docker, list, project));
  return (await Promise.all(lists)).flat();
}

async function removeOnce(docker: Docker, project: string): Promise<void> {
  for (const { list, remove } of kinds) {
    const names = await found(docker, list, project);
    if (names.length > 0) await docker([...remove, ...names], { limitMs: 60_000 });
  }
}
