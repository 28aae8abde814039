import { backUpAndRestore } from '../backup.ts';
import { faultsOfScript } from '../backup-script.ts';
import { type Check, snippet } from '../check.ts';
import { NotApplicable } from '../errors.ts';
import { downAndUp, reboot } from '../lifecycle.ts';
import { faultsOfData } from './volumes.ts';

const backup: Check = {
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

const script: Check = {
  id: 'operations.backup-script',
  title: 'The backup script leaves a file that restores',
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

const down: Check = {
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

const restart: Check = {
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

// A reboot keeps the containers, down makes new ones: it comes last.
export const operations: Check[] = [backup, script, restart, down];
