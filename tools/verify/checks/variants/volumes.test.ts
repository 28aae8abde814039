// Where students keep the data, and what their containers may write to.
import type { Course } from '../../test/course.ts';
import { add, judge } from './by-files.ts';

const data = '- pgdata:/var/lib/postgresql/data';
const volume = (course: Course, options: string) =>
  course.edit('compose.yml', '\n  pgdata:', `\n  pgdata: { ${options} }`);

judge(
  'the volumes',
  ['volumes'],
  [
    [
      'right: the data is in a directory of the volume, which has a name of its own',
      (c) => {
        const mount = '- { type: volume, source: pgdata, target: /var/lib/postgresql/data/ }';
        c.editService('db', data, mount);
        c.editService(
          'db',
          'environment:',
          'environment:\n      PGDATA: /var/lib/postgresql/data/16',
        );
        volume(c, 'name: tasks-of-2026, external: true');
      },
    ],
    [
      'right: the data is elsewhere, and so is the volume',
      (c) => {
        c.editService('db', data, '- pgdata:/srv');
        c.editService('db', 'environment:', 'environment:\n      PGDATA: /srv/postgres');
      },
    ],
    [
      'right: a volume on a disk of its own',
      (c) => volume(c, 'driver_opts: { type: ext4, device: /dev/sdb1 }'),
    ],
    [
      'wrong: a volume around that which the image declares',
      (c) => c.editService('db', data, '- pgdata:/var/lib/postgresql'),
      'volumes.data',
    ],
    [
      'wrong: a named volume in memory',
      (c) => volume(c, 'driver_opts: { type: tmpfs, device: tmpfs }'),
      'volumes.data',
    ],
    [
      'wrong: a named volume that is a directory, with what lies below it',
      (c) => volume(c, 'driver_opts: { type: none, o: rbind, device: /srv/tasks }'),
      'volumes.data',
    ],

    [
      'right: read-only for SELinux, and a configuration that is no mount',
      (c) => {
        c.editService('db', 'initdb.d:ro', 'initdb.d:ro,z');
        const mount =
          '    volumes:\n      - ./nginx/default.conf:/etc/nginx/conf.d/default.conf:ro\n';
        const target = '/etc/nginx/conf.d/default.conf';
        c.editService('web', mount, `    configs: [{ source: nginx, target: ${target} }]\n`);
        c.edit(
          'compose.yml',
          '\nvolumes:\n',
          '\nconfigs:\n  nginx: { file: nginx/default.conf }\nvolumes:\n',
        );
      },
    ],
    [
      'wrong: a container that is read-only, and a mount that is not',
      (c) => {
        add(c, 'web', 'read_only: true', 'tmpfs: [/var/cache/nginx, /run]');
        c.editService('web', 'default.conf:ro', 'default.conf');
      },
      'volumes.read-only',
    ],
    [
      'wrong: one init file that can be written, beside those that cannot',
      (c) => {
        const init = '- ./db/init:/docker-entrypoint-initdb.d:ro';
        const one = '- ./db/init/01_schema.sql:/docker-entrypoint-initdb.d/00_first.sql';
        c.editService('db', init, `${init}\n      ${one}`);
      },
      'volumes.read-only',
    ],
  ],
);
