import { type Check, snippet } from '../../check.ts';
import { faultsOfData } from '../../data-volume.ts';
import { NotApplicable } from '../../errors.ts';
import { downAndUp } from '../../lifecycle.ts';

export const check: Check = {
  id: 'operations.down-up',
  title: 'All rows survive docker compose down and up',
  chapter: 'Volumes',
  points: 3,
  destructive: true,
  why: 'down removes every container: only what is in a named volume survives.',
  fix: snippet`
    db:
      volumes:
        - pgdata:/var/lib/postgresql/data
    volumes:
      pgdata:
  `,
  async run(project) {
    const [fault] = await faultsOfData(project);
    if (fault !== undefined)
      throw new NotApplicable(`blocked by volumes.data: down would lose every task, as ${fault}`);
    return downAndUp(project);
  },
};
