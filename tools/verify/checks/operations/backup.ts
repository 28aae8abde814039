import { backUpAndRestore } from '../../backup.ts';
import { type Check, snippet } from '../../check.ts';

export const check: Check = {
  id: 'operations.backup',
  title: 'A dump restores all rows, and the API keeps working',
  chapter: 'Backups',
  points: 3,
  destructive: true,
  first: true,
  why: 'A backup that nobody has restored is only a hope.',
  fix: snippet`
    docker compose exec -T db pg_dump -Fc -U taskapp taskdb > x.dump
    docker compose exec -T db pg_restore -U taskapp -d taskdb --clean < x.dump
  `,
  run: backUpAndRestore,
};
