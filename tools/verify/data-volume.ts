// Where db keeps its data.
import { composeModel, findService } from './compose.ts';
import { imageOf, runningContainer } from './containers.ts';
import type { Container, Model, Service } from './model.ts';
import { environmentOf } from './postgres.ts';
import type { Project } from './project.ts';
import { say } from './texts.ts';
import { isAtOrBelow } from './tree.ts';

const defaultDataDirectory = '/var/lib/postgresql/data';

/** Where the data of db is, if that is not a named volume. */
export async function faultsOfData(project: Project): Promise<string[]> {
  const { volumes: mounts = [], environment = {} } = await findService(project, 'db');
  const directory = environment.PGDATA ?? defaultDataDirectory;
  const all = [...mounts, ...(await volumesOfImage(project))];
  const mount = mountOf(all, directory, ({ target }) => target);
  if (!mount) return [say('volumes.data.no-mount', { directory })];
  if (mount.type !== 'volume')
    return [say('volumes.data.other-mount', { directory, type: mount.type })];
  if (mount.source === undefined) return [say('volumes.data.no-name', { directory })];
  const { volumes = {} } = await composeModel(project);
  const faults = faultsOfVolume(directory, volumes[mount.source]);
  return faults.length > 0 ? faults : faultsOfContainer(project);
}

type Mount = NonNullable<Service['volumes']>[number];

/** What the image of db declares as volumes: without a mount in their place they have no name. */
async function volumesOfImage(project: Project): Promise<Mount[]> {
  const image = await imageOf(project, 'db').catch(() => undefined);
  return Object.keys(image?.Config.Volumes ?? {}).map((target) => ({ type: 'volume', target }));
}

type Volume = NonNullable<Model['volumes']>[string];

/** What is wrong with a named volume by its options: neither Docker nor a disk keeps it. */
function faultsOfVolume(directory: string, volume: Volume | undefined): string[] {
  const { type, device, o = '' } = volume?.driver_opts ?? {};
  if (type === 'tmpfs') return [say('volumes.data.in-memory', { directory })];
  const isOfHost = type === 'none' || o.includes('bind');
  return isOfHost ? [say('volumes.data.directory-of-host', { directory, device })] : [];
}

/** The mount that holds a path: of those around it, the one with the longest target. */
function mountOf<T>(mounts: T[], path: string, target: (mount: T) => string): T | undefined {
  const around = mounts.filter((mount) => isAtOrBelow(path, target(mount).replace(/\/$/, '')));
  return around.toSorted((a, b) => target(b).length - target(a).length)[0];
}

/** The same for the running database: its image may declare a volume for the data itself. */
async function faultsOfContainer(project: Project): Promise<string[]> {
  const container = await runningContainer(project, 'db').catch(() => undefined);
  if (!container) return [];
  const directory = environmentOf(container, 'PGDATA') ?? defaultDataDirectory;
  const mount = mountOf(container.Mounts, directory, ({ Destination }) => Destination);
  const place = unnamedPlace(mount);
  return place === undefined ? [] : [say('volumes.data.running-elsewhere', { directory, place })];
}

/** What a mount is, unless it is a named volume. */
function unnamedPlace(mount: Container['Mounts'][number] | undefined): string | undefined {
  if (!mount) return say('volumes.data.in-container');
  if (mount.Type !== 'volume') return say('volumes.data.in-mount', { type: mount.Type });
  const isAnonymous = /^[0-9a-f]{64}$/.test(mount.Name ?? '');
  return isAnonymous ? say('volumes.data.in-anonymous-volume') : undefined;
}
