import { type Check, snippet } from '../check.ts';
import { runningContainer } from '../containers.ts';
import { NotApplicable } from '../errors.ts';
import { hasFilesOfProject } from '../git-files.ts';
import type { Container, Service } from '../model.ts';
import { composeModel, findService } from '../compose.ts';
import { environmentOf } from '../postgres.ts';
import type { Project } from '../project.ts';
import { initDirectory, isAtOrBelow } from '../tree.ts';

const defaultDataDirectory = '/var/lib/postgresql/data';

const data: Check = {
  id: 'volumes.data',
  title: 'The data of db is in a named volume',
  chapter: 'Volumes',
  points: 3,
  why:
    'Every change replaces the container. ' +
    'An anonymous volume stays behind, and the new container gets another one.',
  fix: snippet`
    db:
      volumes:
        - pgdata:/var/lib/postgresql/data
    volumes:
      pgdata:
  `,
  run: faultsOfData,
};

/** Where the data of db is, if that is not a named volume. */
export async function faultsOfData(project: Project): Promise<string[]> {
  const { volumes: mounts = [], environment = {} } = await findService(project, 'db');
  const directory = environment.PGDATA ?? defaultDataDirectory;
  const mount = mountOf(mounts, directory, ({ target }) => target);
  if (!mount) return [`nothing is mounted at ${directory}`];
  if (mount.type !== 'volume') return [`${directory} is a ${mount.type} mount`];
  if (mount.source === undefined) return [`the volume at ${directory} has no name`];
  const { volumes = {} } = await composeModel(project);
  const { device, o = '' } = volumes[mount.source]?.driver_opts ?? {};
  if (o.split(',').includes('bind'))
    return [`the volume at ${directory} is the directory ${device} of the host`];
  return faultsOfContainer(project);
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

const readOnly: Check = {
  id: 'volumes.read-only',
  title: 'Init files of db and files mounted into web are read-only',
  chapter: 'Volumes',
  points: 1,
  why:
    'An attacker who controls a container could change the files on the host, ' +
    'and with them the next start.',
  fix: snippet`
    volumes:
      - ./db/init:/docker-entrypoint-initdb.d:ro
      - ./nginx/default.conf:/etc/nginx/conf.d/default.conf:ro
  `,
  async run(project) {
    const web = await findService(project, 'web');
    const db = await findService(project, 'db');
    const init = (db.volumes ?? []).filter(({ target }) => isAtOrBelow(target, initDirectory));
    const ofWeb: Mount[] = [];
    for (const mount of (web.volumes ?? []).filter(({ type }) => type === 'bind')) {
      // A directory that web fills, such as one for logs, must be writable.
      const isRead = mount.read_only ?? (await hasFilesOfProject(project, mount.source ?? ''));
      if (isRead) ofWeb.push(mount);
    }
    if (init.length + ofWeb.length === 0) throw new NotApplicable('no such files are mounted');
    return [...faultsOfWriting('db', init), ...faultsOfWriting('web', ofWeb)];
  },
};

type Mount = NonNullable<Service['volumes']>[number];

function faultsOfWriting(name: string, mounts: Mount[]): string[] {
  const writable = mounts.filter((mount) => !mount.read_only);
  return writable.map(({ target }) => `${name} may write to ${target}`);
}

export const volumes: Check[] = [data, readOnly];
