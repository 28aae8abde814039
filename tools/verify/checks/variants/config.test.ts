// How students protect their settings, write their overrides and build their images.
import { chmodSync, renameSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import type { Course } from '../../test/course.ts';
import { add, judge, set, write } from './by-files.ts';

const only = ['config.env-mode', 'config.override', 'config.privileged', 'config.base-images'];

const path = (course: Course, file: string) => join(course.directory, file);
const from = (course: Course, text: string) =>
  course.edit('api/Dockerfile', 'FROM ${NODE_IMAGE}', text);

judge('the settings', only, [
  ['right: an .env that even its owner cannot write', (c) => chmodSync(path(c, '.env'), 0o400)],
  [
    'right: an .env that is a link to a private file',
    (c) => {
      write(c, 'private/env', c.read('.env'));
      chmodSync(path(c, 'private/env'), 0o600);
      renameSync(path(c, '.env'), path(c, 'private/old'));
      symlinkSync('private/env', path(c, '.env'));
    },
  ],
  ['wrong: an .env for the group', (c) => chmodSync(path(c, '.env'), 0o640), 'config.env-mode'],
  [
    'wrong: an old .env beside it, for everybody',
    (c) => {
      c.write('.env.bak', c.read('.env'));
      chmodSync(path(c, '.env.bak'), 0o644);
    },
    'config.env-mode',
  ],

  [
    'right: an override of another name, in COMPOSE_FILE',
    (c) => {
      renameSync(path(c, 'compose.override.yml'), path(c, 'compose.dev.yml'));
      set(c, '.env', 'COMPOSE_FILE=compose.yml:compose.dev.yml');
    },
  ],
  [
    'right: an override with the old name, beside a file with the new one',
    (c) => renameSync(path(c, 'compose.override.yml'), path(c, 'docker-compose.override.yaml')),
  ],
  [
    'wrong: an override whose name has a mistake',
    (c) => renameSync(path(c, 'compose.override.yml'), path(c, 'compose.overide.yml')),
    'config.override',
  ],
  [
    'wrong: an override that says what the base says',
    (c) => c.write('compose.override.yml', 'services:\n  api:\n    restart: unless-stopped\n'),
    'config.override',
  ],
  [
    'wrong: COMPOSE_FILE names production instead of an override',
    (c) => {
      renameSync(path(c, 'compose.override.yml'), path(c, 'dev.yml'));
      set(c, '.env', 'COMPOSE_FILE=compose.yml:compose.prod.yml');
    },
    'config.override',
  ],

  [
    'right: one capability instead of all',
    (c) => add(c, 'web', 'cap_drop: [ALL]', 'cap_add: [NET_BIND_SERVICE, CHOWN, SETUID, SETGID]'),
  ],
  [
    'wrong: the socket of Docker, read-only and under another name',
    (c) => add(c, 'api', 'volumes: ["/var/run/docker.sock:/tmp/engine:ro"]'),
    'config.privileged',
  ],
  [
    'wrong: the directory of the socket of Docker, read-only',
    (c) => add(c, 'api', 'volumes: ["/run:/host:ro"]'),
    'config.privileged',
  ],
  [
    'wrong: a capability that loads modules into the kernel',
    (c) => add(c, 'db', 'cap_drop: [ALL]', 'cap_add: [CAP_SYS_MODULE]'),
    'config.privileged',
  ],

  [
    'right: stages, a platform, and a name in an argument',
    (c) =>
      from(
        c,
        [
          'FROM --platform=$BUILDPLATFORM ${NODE_IMAGE} AS build',
          'FROM scratch AS files',
          'COPY --from=build /etc/os-release /',
          'FROM build AS Final',
          'COPY --from=files / /tmp/',
          'COPY --from=0 /etc/hostname /tmp/',
          'RUN --mount=type=bind,from=build,target=/b true',
        ].join('\n'),
      ),
  ],
  [
    'wrong: a word that looks like a version, and moves',
    (c) => from(c, 'FROM node:lts-slim'),
    'config.base-images',
  ],
  [
    'wrong: a version in the Dockerfile, and another image in the Compose file',
    (c) => c.editService('api', 'args: [NODE_IMAGE]', 'args: { NODE_IMAGE: node:slim }'),
    'config.base-images',
  ],
  [
    'wrong: an image without a version that a file is copied from',
    (c) => from(c, 'FROM ${NODE_IMAGE}\nCOPY --from=busybox /bin/busybox /bin/'),
    'config.base-images',
  ],
]);
