// How students name, place and describe their files.
import { renameSync } from 'node:fs';
import { join } from 'node:path';
import type { Course } from '../../test/course.ts';
import { judge, set, write } from './by-files.ts';

const only = ['files.compose', 'files.readme', 'files.docs'];

const move = (course: Course, from: string, to: string) =>
  renameSync(join(course.directory, from), join(course.directory, to));
const start = 'docker compose up -d --build';
const readme = (course: Course, text: string) => course.edit('README.md', start, text);

judge('the files', only, [
  [
    'right: a Compose file of another name, in COMPOSE_FILE',
    (c) => {
      move(c, 'compose.yml', 'stack.yml');
      move(c, 'compose.prod.yml', 'stack.prod.yml');
      set(c, '.env', 'COMPOSE_FILE=stack.yml:compose.override.yml');
    },
  ],
  [
    'wrong: a Compose file with an ending that Windows hides',
    (c) => move(c, 'compose.yml', 'compose.yml.txt'),
    'files.compose',
  ],
  [
    'wrong: COMPOSE_FILE names a file that is not there',
    (c) => {
      move(c, 'compose.yml', 'stack.yml');
      set(c, '.env', 'COMPOSE_FILE=compose.dev.yml');
    },
    'files.compose',
  ],

  [
    'right: a command over several lines',
    (c) => readme(c, 'docker compose \\\n      --env-file .env.prod \\\n      up -d'),
  ],
  [
    'right: a script that starts it',
    (c) => {
      readme(c, './bin/start.sh');
      write(c, 'bin/start.sh', '#!/bin/sh\nexec docker-compose -p tasks up -d\n');
    },
  ],
  [
    'right: a Makefile',
    (c) => {
      readme(c, 'make start');
      write(c, 'Makefile', 'start:\n\tdocker compose up -d --build\n');
    },
  ],
  [
    'wrong: a sentence about Compose, and no command',
    (c) => readme(c, 'With docker compose you can set up the three services in no time.'),
    'files.readme',
  ],
  [
    'wrong: a script that only ends it',
    (c) => {
      readme(c, './stop.sh');
      write(c, 'stop.sh', '#!/bin/sh\n# after docker compose up\ndocker compose down\n');
    },
    'files.readme',
  ],

  [
    'right: headings that are underlined, in one file',
    (c) => {
      const parts = ['Architecture', '============', c.read('docs/architecture.md').split('\n')[2]];
      const more = [
        '',
        'Troubleshooting',
        '---------------',
        '',
        '    docker compose logs --tail 20 api',
      ];
      write(c, 'docs/guide/all.md', [...parts, ...more].join('\n'));
      move(c, 'docs/architecture.md', 'docs/notes.bak');
    },
  ],
  [
    'right: a drawing of the architecture, and a runbook',
    (c) => {
      move(c, 'docs/architecture.md', 'docs/architecture.drawio');
      write(c, 'docs/runbook.txt', 'When api is unhealthy: docker compose logs api\n');
    },
  ],
  [
    'wrong: headings with nothing below them',
    (c) => c.write('docs/architecture.md', '# Architecture\n\n# Operations\n\n## Backup\n\nTODO\n'),
    'files.docs',
  ],
  [
    'wrong: a comment in a script that looks like a heading',
    (c) => {
      const script = '```sh\n# backup: not yet, I shall write it after the exam\n```\n';
      c.edit('docs/architecture.md', '## Backup and restore', `## More\n\n${script}`);
    },
    'files.docs',
  ],
]);
