import { type Check, NotApplicable } from '../check.ts';
import type { Project } from '../project.ts';
import { initDirectory, isAtOrBelow } from '../tree.ts';

const dataDirectory = '/var/lib/postgresql/data';

/** Of all mounts the one that a path is in. */
function mountOf<T>(mounts: T[], path: string, target: (mount: T) => string): T | undefined {
  const around = mounts.filter((mount) => isAtOrBelow(path, target(mount).replace(/\/$/, '')));
  return around.toSorted((a, b) => target(b).length - target(a).length)[0];
}

/** Where the running database really keeps its data: the image may have put a volume of its own there. */
async function faultOfContainer(project: Project): Promise<string[]> {
  const container = await project.container('db').catch(() => undefined);
  if (!container) return [];
  const data =
    container.Config.Env?.find((line) => line.startsWith('PGDATA='))?.slice('PGDATA='.length) ??
    dataDirectory;
  const mount = mountOf(container.Mounts, data, ({ Destination }) => Destination);
  if (mount?.Type === 'volume' && !/^[0-9a-f]{64}$/.test(mount.Name ?? '')) return [];
  return [
    `the running db keeps ${data} in ${mount ? (mount.Type === 'volume' ? 'an anonymous volume' : `a ${mount.Type} mount`) : 'the container itself'}`,
  ];
}

export const volumes: Check[] = [
  {
    id: 'volumes.data',
    title: 'The data of db is in a named volume',
    chapter: 'Volumes',
    points: 3,
    why: 'Every change replaces the container. An anonymous volume stays behind, and the new container gets another one.',
    fix: 'db:\n  volumes:\n    - pgdata:/var/lib/postgresql/data\nvolumes:\n  pgdata:',
    run: async (project) => {
      const { volumes: mounts = [], environment = {} } = await project.service('db');
      const data = environment.PGDATA ?? dataDirectory;
      const mount = mountOf(mounts, data, ({ target }) => target);
      if (!mount) return [`nothing is mounted at ${data}`];
      if (mount.type !== 'volume') return [`${data} is a ${mount.type} mount`];
      return mount.source === undefined
        ? [`the volume at ${data} has no name`]
        : faultOfContainer(project);
    },
  },
  {
    id: 'volumes.read-only',
    title: 'Init files of db and files mounted into web are read-only',
    chapter: 'Volumes',
    points: 1,
    why: 'An attacker who controls a container could change the files on the host, and with them the next start.',
    fix: 'volumes:\n  - ./db/init:/docker-entrypoint-initdb.d:ro\n  - ./nginx/default.conf:/etc/nginx/conf.d/default.conf:ro',
    run: async (project) => {
      const [web, db] = await Promise.all([project.service('web'), project.service('db')]);
      const init = (db.volumes ?? []).filter(({ target }) => isAtOrBelow(target, initDirectory));
      const ofWeb = (web.volumes ?? []).filter(({ type }) => type === 'bind');
      if (init.length + ofWeb.length === 0)
        throw new NotApplicable('nothing of the kind is mounted');
      const writable = (name: string, mounts: typeof init) =>
        mounts
          .filter((mount) => !mount.read_only)
          .map(({ target }) => `${name} may write to ${target}`);
      return [...writable('db', init), ...writable('web', ofWeb)];
    },
  },
];
