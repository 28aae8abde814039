import { type Check, snippet } from '../../check.ts';
import { reboot } from '../../lifecycle.ts';

export const check: Check = {
  id: 'operations.reboot',
  title: 'The application works after all containers start in any order, as after a reboot',
  chapter: 'Production patterns',
  points: 3,
  destructive: true,
  why:
    'After a reboot, the engine itself starts the containers, in any order: ' +
    'only docker compose looks at depends_on.',
  fix: snippet`
    # on every service: one that exits because another is not up yet then tries again
    restart: unless-stopped
  `,
  run: reboot,
};
