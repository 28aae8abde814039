import type { Definition } from '../../check.ts';
import { reboot } from '../../lifecycle.ts';

export const check: Definition = {
  id: 'operations.reboot',
  chapter: 'Production patterns',
  points: 3,
  destructive: true,
  run: reboot,
};
