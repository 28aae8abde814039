import { backUpAndRestore } from '../../backup.ts';
import type { Definition } from '../../check.ts';

export const check: Definition = {
  id: 'operations.backup',
  chapter: 'Backups',
  points: 3,
  destructive: true,
  first: true,
  run: backUpAndRestore,
};
