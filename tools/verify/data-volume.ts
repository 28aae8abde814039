// Where db keeps its data.
import { composeModel, findService } from './compose.ts';
import { imageOf, runningContainer } from './containers.ts';
import type { Container, Model, Service } from './model.ts';
import { environmentOf } from './postgres.ts';
import type { Project } from './project.ts';
import { isAtOrBelow } from './tree.ts';

const defaultDataDirectory = '/var/lib/postgresql/data';

/** Where the data of db is, if that is not a named volume. */
export async function faultsOfData(project: Project): Promise<string[]> {
  const { volumes: mounts = [], environment = {} } = await findService(project, 'db');
  const directory = environment.PGDATA ?? defaultDataDirectory;
  const all = [...mounts, ...(await volumesOfImage(project))];
  const mount = mountOf(all, directory, ({ target }) => target);
  if (!mount) return [`nothing is mounted at ${directory}`];
  if (mount.type !== 'volume') return [`${directory} is a ${mount.type} mount`];
  if (mount.source === undefined) return [`the volume at ${directory} has no name`];
  const { volumes = {} } = await composeModel(project);
  const place = placeOf(volumes[mount.source]);
  if (place !== undefined) return [`the volume at ${directory} is ${place}`];
  return faultsOfContainer(project);
}

type Mount = NonNullable<Service['volumes']>[number];

/** What the image of db declares as volumes: without a mount in their place they have no name. */
async function volumesOfImage(project: Project): Promise<Mount[]> {
  const image = await imageOf(project, 'db').catch(() => undefined);
  return Object.keys(image?.Config.Volumes ?? {}).map((target) => ({ type: 'volume', target }));
}

/** What a named volume is by its options, unless Docker or a disk keeps it. */
function placeOf(volume: NonNullable<Model['volumes']>[string] | undefined): string | undefined {
  const { type, device, o = '' } = volume?.driver_opts ?? {};
  if (type === 'tmpfs') return 'in memory';
  return type === 'none' || o.includes('bind') ? `the directory ${device} of the host` : undefined;
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
  return place === undefined ? [] : [`the running db keeps ${directory} in ${place}`];
}

/** What a mount is, unless it is a named volume. */
function unnamedPlace(mount: Container['Mounts'][number] | undefined): string | undefined {
  if (!mount) return 'the container itself';
  if (mount.Type !== 'volume') return `a ${mount.Type} mount`;
  const isAnonymous = /^[0-9a-f]{64}$/.test(mount.Name ?? '');
  return isAnonymous ? 'an anonymous volume' : undefined;
}
