import type { Definition } from '../../check.ts';
import { faultsOfData } from '../../data-volume.ts';
import { Blocked } from '../../errors.ts';
import { downAndUp } from '../../lifecycle.ts';
import { say } from '../../texts.ts';

export const check: Definition = {
  id: 'operations.down-up',
  chapter: 'Volumes',
  points: 3,
  destructive: true,
  async run(project) {
    const [fault] = await faultsOfData(project);
    if (fault !== undefined) {
      const cause = 'volumes.data';
      const blocked = say('shared.blocked-by', { check: cause });
      throw new Blocked(cause, say('operations.down-up.would-lose', { blocked, fault }));
    }
    return downAndUp(project);
  },
};
