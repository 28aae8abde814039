// Compose files that students write, for development and for production. Nothing is booted.
import { mkdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, inject, it } from 'vitest';
import { Course } from '../test/course.ts';
import { differences } from '../test/expected.ts';

const only = [
  'files.readme',
  'compose.restart',
  'compose.logging',
  'volumes',
  'config.images',
  'config.privileged',
  'prod',
];

type Variant = [what: string, change: (course: Course) => void, failed: string[]];

const image = 'image: example/taskapp-api:${TAG:-1.0.0}';
const logging = 'driver: json-file\n  options: { max-size: 10m, max-file: "3" }';
const add = (course: Course, service: string, line: string, file = 'compose.yml') => {
  const before = file === 'compose.yml' ? '    networks:' : '    deploy:';
  course.editService(service, before, `    ${line}\n${before}`, file);
};
const remove = (course: Course, file: string) => rmSync(join(course.directory, file));
const directory = (course: Course, path: string) => mkdirSync(join(course.directory, path));

const wrong: Variant[] = [
  ['a service is privileged', (c) => add(c, 'api', 'privileged: true'), ['config.privileged']],
  [
    'a service has every capability, in production only',
    (c) => add(c, 'web', 'cap_add: [ALL]', 'compose.prod.yml'),
    ['config.privileged'],
  ],
  [
    'nothing restarts in production',
    (c) => add(c, 'db', 'restart: "no"', 'compose.prod.yml'),
    ['compose.restart'],
  ],
  [
    'debug mode is on in the base',
    (c) => c.editService('api', 'DB_HOST: db', 'DB_HOST: db\n      FLASK_DEBUG: 1'),
    ['prod.debug'],
  ],
  [
    'a development server in production',
    (c) => add(c, 'api', 'command: [uvicorn, "app:app", --reload]'),
    ['prod.debug'],
  ],
  [
    'a tool that always runs, on a port',
    (c) => {
      const text = c.read('compose.override.yml');
      const adminer = text.slice(text.indexOf('  adminer:')).replace('    profiles: [debug]\n', '');
      const more = '    restart: always\n    logging: *logging\n    cpus: 1\n    mem_limit: 64m\n';
      c.write('compose.override.yml', text.slice(0, text.indexOf('  adminer:')));
      c.edit('compose.yml', '\nnetworks:\n', `\n${adminer}${more}\nnetworks:\n`);
    },
    ['prod.ports'],
  ],
  ['logs without a limit', (c) => c.edit('compose.yml', '10m', '"-1"'), ['compose.logging']],
  [
    'a disk of the host',
    (c) => add(c, 'db', 'devices: ["/dev/sda:/dev/sda"]'),
    ['config.privileged'],
  ],
  [
    'the whole host, without the socket by its name',
    (c) => add(c, 'api', 'volumes: ["/var/run:/host"]'),
    ['config.privileged'],
  ],
  ['many small units of logs', (c) => c.edit('compose.yml', '10m', '100000m'), ['compose.logging']],
  [
    'a great many files of logs',
    (c) => c.edit('compose.yml', 'max-file: "3"', 'max-file: "100000"'),
    ['compose.logging'],
  ],
  [
    'a tag with the version of another program',
    (c) => c.editService('db', '${POSTGRES_IMAGE:-postgres:17-alpine}', 'postgres:alpine3.22'),
    ['config.images', 'prod.images'],
  ],
  ['logs that fill a disk', (c) => c.edit('compose.yml', '10m', '500g'), ['compose.logging']],
  [
    'a volume that is a directory of the host',
    (c) => {
      const options = '{ type: none, o: bind, device: /srv/tasks }';
      c.edit(
        'compose.yml',
        '\nvolumes:\n  pgdata:',
        `\nvolumes:\n  pgdata:\n    driver_opts: ${options}`,
      );
    },
    ['volumes.data'],
  ],
  [
    'an image with a tag, and no version',
    (c) => c.editService('db', '${POSTGRES_IMAGE:-postgres:17-alpine}', 'postgres:alpine'),
    ['config.images', 'prod.images'],
  ],
  [
    'an image that is built for production, without a tag',
    (c) => c.edit('compose.prod.yml', `    ${image}\n`, ''),
    ['prod.images'],
  ],
  [
    'source that is mounted read-only in production',
    (c) => add(c, 'api', 'volumes: ["./api:/app:ro"]', 'compose.prod.yml'),
    ['prod.source'],
  ],
];

const right: Variant[] = [
  ['options of the default driver', (c) => c.edit('compose.yml', logging, logging.slice(18)), []],
  ['a few large files of logs', (c) => c.edit('compose.yml', '10m', '1g'), []],
  [
    'an image named by its commit',
    (c) => c.edit('compose.prod.yml', '${TAG:-1.0.0}', 'fdaacbe'),
    [],
  ],
  [
    'the host, read-only, as a tool for monitoring mounts it',
    (c) => add(c, 'api', 'volumes: ["/:/host:ro"]'),
    [],
  ],
  ['another driver', (c) => c.edit('compose.yml', logging, 'driver: local'), []],
  [
    'the time zone of the host',
    (c) => {
      add(c, 'api', 'volumes: ["/etc/localtime:/etc/localtime:ro"]');
      c.editService(
        'web',
        '    volumes:\n',
        '    volumes:\n      - /etc/localtime:/etc/localtime:ro\n',
      );
    },
    [],
  ],
  [
    'a directory for logs, in git with an empty file',
    (c) => {
      directory(c, 'logs');
      c.write('logs/.gitkeep', '');
      add(c, 'api', 'volumes: ["./logs:/app/logs"]');
      c.editService('web', '    volumes:\n', '    volumes:\n      - ./logs:/var/log/nginx\n');
    },
    [],
  ],
  [
    "the labs' layout: compose.yml is production",
    (c) => {
      remove(c, 'compose.prod.yml');
      for (const service of ['web', 'api', 'db']) add(c, service, 'cpus: 0.5\n    mem_limit: 256m');
    },
    [],
  ],
  [
    'documents, and no README',
    (c) => {
      directory(c, 'docs/start');
      renameSync(join(c.directory, 'README.md'), join(c.directory, 'docs/start.md'));
    },
    [],
  ],
  [
    'a digest, and a version that is a word with a number',
    (c) => {
      const digest = `postgres@sha256:${'0'.repeat(64)}`;
      c.editService('db', '${POSTGRES_IMAGE:-postgres:17-alpine}', digest);
      c.edit('compose.prod.yml', '1.0.0', 'release-7');
    },
    [],
  ],
];

describe.skipIf(inject('notRunBecause')).concurrent('production', () => {
  it.for([...wrong, ...right])('%s', async ([, change, failed], { expect, onTestFinished }) => {
    const course = new Course();
    onTestFinished(() => rmSync(course.directory, { recursive: true }));
    change(course);
    expect(differences(await course.check({ only }), failed)).toEqual([]);
  });
});
