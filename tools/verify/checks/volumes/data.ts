import { type Check, snippet } from '../../check.ts';
import { faultsOfData } from '../../data-volume.ts';

export const check: Check = {
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
