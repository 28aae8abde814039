import type { Definition } from '../../check.ts';
import { findService } from '../../compose.ts';
import { NotApplicable } from '../../errors.ts';
import { hasFilesOfProject } from '../../git-files.ts';
import type { Service } from '../../model.ts';
import { say } from '../../texts.ts';
import { initDirectory, isAtOrBelow } from '../../tree.ts';

export const check: Definition = {
  id: 'volumes.read-only',
  chapter: 'Volumes',
  points: 1,
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
    if (init.length + ofWeb.length === 0)
      throw new NotApplicable(say('volumes.read-only.no-such-files'));
    return [...faultsOfWriting('db', init), ...faultsOfWriting('web', ofWeb)];
  },
};

type Mount = NonNullable<Service['volumes']>[number];

function faultsOfWriting(service: string, mounts: Mount[]): string[] {
  const writable = mounts.filter((mount) => !mount.read_only);
  return writable.map(({ target: path }) => say('volumes.read-only.writable', { service, path }));
}
