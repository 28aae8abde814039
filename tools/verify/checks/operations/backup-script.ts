import { faultsOfScript } from '../../backup-script.ts';
import { type Check, snippet } from '../../check.ts';

export const check: Check = {
  id: 'operations.backup-script',
  title: 'The backup script leaves a file that can be restored',
  chapter: 'Backups',
  points: 2,
  destructive: true,
  first: true,
  why: 'A script that has never worked is noticed on the day when its backup is needed.',
  fix: snippet`
    #!/bin/sh
    set -eu
    mkdir -p backups
    # -T: cron has no terminal. The file gets its name only once it is whole
    docker compose exec -T db pg_dump -Fc -U taskapp taskdb > backups/new
    mv backups/new "backups/taskdb-$(date +%F).dump"
  `,
  run: faultsOfScript,
};
