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
  why: 'Containers come and go. What changes tasks whenever it starts loses or doubles them.',
  fix: snippet`
    docker compose logs api    # what it did when it started
    # the API inserts and deletes no task at its start: db/init has the first ones
  `,
  async run(project) {
    const [fault] = await faultsOfData(project);
    if (fault !== undefined)
      throw new NotApplicable(`blocked by volumes.data: down would lose every task, as ${fault}`);
    return downAndUp(project);
  },
};
