import { faultsOfScript } from '../../backup-script.ts';
import type { Definition } from '../../check.ts';

export const check: Definition = {
  id: 'operations.backup-script',
  chapter: 'Backups',
  points: 2,
  destructive: true,
  first: true,
  run: faultsOfScript,
};
