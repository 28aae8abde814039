import { type Check, snippet } from '../../check.ts';
import { findService } from '../../compose.ts';
import { NotApplicable } from '../../errors.ts';
import { hasFilesOfProject } from '../../git-files.ts';
import type { Service } from '../../model.ts';
import { initDirectory, isAtOrBelow } from '../../tree.ts';

export const check: Check = {
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
