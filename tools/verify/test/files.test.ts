// Mutations of the course-like stack's files: each fails exactly the checks that it should.
// Nothing is booted.
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, inject, it } from 'vitest';
import { groupOf } from '../check.ts';
import { checks } from '../checks/all.ts';
import { Course } from './course.ts';
import { differences } from './expected.ts';

// The checks of other groups that look at files; the rest look at containers only.
const ofFiles = [
  'health.checks',
  'health.timing',
  'network.front',
  'network.back',
  'network.separate',
  'network.published',
];
const only = checks
  .filter(
    (check) =>
      ['files', 'compose', 'volumes', 'config', 'prod'].includes(groupOf(check)) ||
      ofFiles.includes(check.id),
  )
  .map(({ id }) => id)
  .filter((id) => id !== 'config.non-root' && id !== 'config.image-secrets');

type Mutation = [
  what: string,
  mutate: (course: Course) => void,
  failed: string[],
  notRun?: string[],
];

const git = (course: Course, ...args: string[]) =>
  execFileSync('git', args, { cwd: course.directory, stdio: 'pipe' });
const healthOf = (course: Course, service: string) =>
  new RegExp(`^  ${service}:\\n[^]*?(    healthcheck:\\n(?:      .*\\n)+)`, 'm').exec(
    course.read('compose.yml'),
  )?.[1] ?? '';
const crlf = (course: Course, path: string) =>
  course.write(path, course.read(path).replaceAll('\n', '\r\n'));
const remove = (course: Course, path: string) =>
  rmSync(join(course.directory, path), { recursive: true });

const mutations: Mutation[] = [
  ['nothing', () => undefined, []],

  ['no README', (c) => remove(c, 'README.md'), ['files.readme']],
  [
    'a README that does not say how to start',
    (c) => c.edit('README.md', 'docker compose up -d --build', 'Have fun'),
    ['files.readme'],
  ],
  ['no documents', (c) => remove(c, 'docs'), ['files.docs']],
  [
    'documents without operation',
    (c) => c.edit('docs/architecture.md', '## Backup and restore', '## More'),
    ['files.docs'],
  ],
  ['an init file with CRLF', (c) => crlf(c, 'db/init/01_schema.sql'), ['files.line-endings']],
  [
    'a script with CRLF',
    (c) => c.write('db/init/02_roles.sh', '#!/usr/bin/env bash\r\necho\r\n'),
    ['files.line-endings'],
  ],
  [
    'a script with CRLF and a name without an ending',
    (c) => c.write('nginx/start', '#!/bin/sh\r\nexec nginx\r\n'),
    ['files.line-endings'],
  ],
  [
    'what Windows itself runs, or nobody runs, with CRLF',
    (c) => {
      c.write('start.bat', 'docker compose up -d\r\n');
      crlf(c, 'README.md');
    },
    [],
  ],
  ['no .env.example', (c) => remove(c, '.env.example'), ['files.env-example']],
  [
    'an .env.example without a variable',
    (c) => c.edit('.env.example', 'POSTGRES_PASSWORD=change-me\n', ''),
    ['files.env-example'],
  ],
  [
    'a setting of .env that the example does not know',
    (c) => c.write('.env', `${c.read('.env')}EXTRA=1\n`),
    ['files.env-example'],
  ],
  ['no .gitignore', (c) => remove(c, '.gitignore'), ['files.env-ignored']],
  [
    '.env in git in spite of .gitignore',
    (c) => git(c, 'add', '--force', '.env'),
    ['files.env-ignored'],
  ],
  [
    'a secret in git',
    (c) => {
      mkdirSync(join(c.directory, 'secrets'));
      c.write('secrets/db_pass', 'x');
      c.editService('db', '    deploy', '    secrets: [db_pass]\n    deploy', 'compose.prod.yml');
      c.write(
        'compose.prod.yml',
        `${c.read('compose.prod.yml')}secrets:\n  db_pass: { file: ./secrets/db_pass }\n`,
      );
      git(c, 'add', '--force', 'secrets');
    },
    ['files.secrets-ignored'],
  ],

  [
    'no service api',
    (c) => {
      c.edit('compose.yml', '\n  api:\n', '\n  app:\n');
      c.edit('compose.yml', 'api: { condition', 'app: { condition');
      for (const file of ['compose.override.yml', 'compose.prod.yml'])
        c.edit(file, '  api:\n', '  app:\n');
    },
    ['compose.model', 'compose.depends-web'],
    ['compose.depends-api', 'network.front', 'network.back', 'prod.source'],
  ],
  [
    'a variable without a value',
    (c) => {
      c.editService('api', 'DB_HOST: db', 'DB_HOST: ${DB_HOST}');
      c.write('.env.example', `${c.read('.env.example')}DB_HOST=db\n`);
    },
    ['compose.variables'],
  ],
  [
    'depends_on as a list',
    (c) =>
      c.editService(
        'api',
        'depends_on:\n      db: { condition: service_healthy }',
        'depends_on: [db]',
      ),
    ['compose.depends-api'],
  ],
  [
    'depends_on without a health condition',
    (c) => c.editService('web', 'service_healthy', 'service_started'),
    ['compose.depends-web'],
  ],
  [
    'no depends_on',
    (c) => c.editService('web', '    depends_on:\n      api: { condition: service_healthy }\n', ''),
    ['compose.depends-web'],
  ],
  [
    'no restart policy',
    (c) => c.editService('api', '    restart: unless-stopped\n', ''),
    ['compose.restart'],
  ],
  [
    'a restart policy that forgets a reboot',
    (c) => c.editService('db', 'restart: unless-stopped', 'restart: on-failure'),
    ['compose.restart'],
  ],
  [
    'no logging section',
    (c) => c.editService('db', '    logging: *logging\n', ''),
    ['compose.logging'],
  ],
  [
    'logs without a limit of size',
    (c) => c.edit('compose.yml', 'max-size: 10m, ', ''),
    ['compose.logging'],
  ],
  [
    'logs without a limit of files',
    (c) => c.edit('compose.yml', ', max-file: "3"', ''),
    ['compose.logging'],
  ],

  ['no health check of db', (c) => c.editService('db', healthOf(c, 'db'), ''), ['health.checks']],
  [
    'a health check that is disabled',
    (c) => c.editService('web', healthOf(c, 'web'), '    healthcheck: { disable: true }\n'),
    ['health.checks'],
  ],
  [
    'a health check that is NONE',
    (c) => c.editService('api', healthOf(c, 'api'), '    healthcheck: { test: [NONE] }\n'),
    ['health.checks'],
  ],
  ['no interval', (c) => c.editService('web', '      interval: 2s\n', ''), ['health.timing']],
  ['no timeout', (c) => c.editService('api', '      timeout: 5s\n', ''), ['health.timing']],
  ['no retries: 3 is the default', (c) => c.editService('db', '      retries: 5\n', ''), []],
  [
    'web in both networks',
    (c) => c.editService('web', '[frontend]', '[frontend, backend]'),
    ['network.separate'],
  ],
  [
    'api not in the network of web',
    (c) => c.editService('api', '[frontend, backend]', '[backend]'),
    ['network.front'],
  ],
  [
    'api not in the network of db',
    (c) => c.editService('api', '[frontend, backend]', '[frontend]'),
    ['network.back'],
  ],
  [
    'db in the network of web',
    (c) => c.editService('db', '[backend]', '[frontend]'),
    ['network.separate'],
  ],
  [
    'one network for all',
    (c) => {
      for (const service of ['web', 'api', 'db'])
        c.editService(
          service,
          /networks: .*\n/.exec(c.read('compose.yml').split(`\n  ${service}:\n`)[1] ?? '')?.[0] ??
            '',
          'networks: [backend]\n',
        );
    },
    ['network.separate'],
  ],
  [
    'the network of the host',
    (c) => c.editService('web', 'networks: [frontend]', 'network_mode: host'),
    ['network.front', 'network.separate'],
  ],
  [
    'db on all addresses in development',
    (c) => c.editService('db', '127.0.0.1:', '', 'compose.override.yml'),
    ['network.published'],
  ],
  [
    'api on 0.0.0.0 in development',
    (c) => c.editService('api', '127.0.0.1:$', '0.0.0.0:$', 'compose.override.yml'),
    ['network.published'],
  ],
  [
    'a debugging tool of a profile on all addresses',
    (c) => c.editService('adminer', '127.0.0.1:', '', 'compose.override.yml'),
    ['network.published'],
  ],
  [
    'db on all addresses, always',
    (c) => c.editService('db', '    networks:', '    ports: ["5432:5432"]\n    networks:'),
    ['network.published', 'prod.ports'],
  ],
  [
    'web is not published',
    (c) => c.editService('web', '    ports:\n      - ${HTTP_PORT:-80}:80\n', ''),
    ['network.published'],
  ],

  ['an anonymous volume', (c) => c.editService('db', 'pgdata:/', '/'), ['volumes.data']],
  ['a directory of the host', (c) => c.editService('db', 'pgdata:/', './data:/'), ['volumes.data']],
  [
    'no volume',
    (c) => c.editService('db', '      - pgdata:/var/lib/postgresql/data\n', ''),
    ['volumes.data'],
  ],
  [
    'a volume beside the data',
    (c) => c.editService('db', 'postgresql/data', 'postgresql-data'),
    ['volumes.data'],
  ],
  [
    'init files that can be written',
    (c) => c.editService('db', 'initdb.d:ro', 'initdb.d'),
    ['volumes.read-only'],
  ],
  [
    'a configuration that can be written',
    (c) => c.editService('web', 'default.conf:ro', 'default.conf'),
    ['volumes.read-only'],
  ],

  [
    'a password in the Compose file',
    (c) =>
      c.editService('db', 'POSTGRES_PASSWORD: ${POSTGRES_PASSWORD}', 'POSTGRES_PASSWORD: hunter2'),
    ['config.no-password'],
  ],
  [
    'a password in a list',
    (c) =>
      c.editService(
        'adminer',
        '    networks',
        '    environment: ["API_TOKEN=hunter2"]\n    networks',
        'compose.override.yml',
      ),
    ['config.no-password'],
  ],
  [
    'a password in an address',
    (c) =>
      c.editService(
        'api',
        'DB_HOST: db',
        'DB_HOST: db\n      DATABASE_URL: postgres://taskapp:hunter2@db/taskdb',
      ),
    ['config.no-password'],
  ],
  [
    'a database without passwords',
    (c) =>
      c.editService(
        'db',
        '    environment:\n',
        '    environment:\n      POSTGRES_HOST_AUTH_METHOD: trust\n',
      ),
    ['config.no-password'],
  ],
  [
    'an .env for everybody',
    (c) => chmodSync(join(c.directory, '.env'), 0o644),
    ['config.env-mode'],
  ],
  ['no override', (c) => remove(c, 'compose.override.yml'), ['config.override']],
  [
    'an override that COMPOSE_FILE leaves out',
    (c) => c.write('.env', `COMPOSE_FILE=compose.yml\n${c.read('.env')}`),
    ['config.override'],
  ],
  [
    'the latest image',
    (c) => c.editService('db', '${POSTGRES_IMAGE:-postgres:17-alpine}', 'postgres:latest'),
    ['config.images', 'prod.images'],
  ],
  [
    'an image without a tag in development',
    (c) => c.editService('adminer', 'adminer:5', 'adminer', 'compose.override.yml'),
    ['config.images'],
  ],
  [
    'a Dockerfile from an image without a tag',
    (c) => c.edit('api/Dockerfile', 'FROM ${NODE_IMAGE}', 'FROM node'),
    ['config.base-images'],
  ],

  [
    'no file for production: the labs run compose.yml',
    (c) => remove(c, 'compose.prod.yml'),
    ['prod.limits'],
  ],
  [
    'a file for production with a mistake',
    (c) => c.edit('compose.prod.yml', 'services:', 'service:'),
    ['prod.model'],
    ['prod.limits', 'prod.images', 'prod.ports', 'prod.source', 'prod.debug', 'prod.passwords'],
  ],
  [
    'no limits for api',
    (c) =>
      c.editService(
        'api',
        '    deploy: { resources: { limits: { cpus: "0.50", memory: 128M } } }\n',
        '',
        'compose.prod.yml',
      ),
    ['prod.limits'],
  ],
  [
    'a limit of memory only',
    (c) => c.editService('db', 'cpus: "1", ', '', 'compose.prod.yml'),
    ['prod.limits'],
  ],
  [
    'a limit of CPU only',
    (c) => c.editService('web', ', memory: 64M', '', 'compose.prod.yml'),
    ['prod.limits'],
  ],
  [
    'the latest version in production',
    (c) => c.editService('api', 'TAG:-1.0.0', 'TAG:-latest', 'compose.prod.yml'),
    ['prod.images'],
  ],
  [
    'the port of db on 127.0.0.1 in production',
    (c) =>
      c.editService(
        'db',
        '    deploy',
        '    ports: ["127.0.0.1:5432:5432"]\n    deploy',
        'compose.prod.yml',
      ),
    ['prod.ports'],
  ],
  [
    'source mounted in production',
    (c) =>
      c.editService(
        'api',
        '    deploy',
        '    volumes: ["./api:/app"]\n    deploy',
        'compose.prod.yml',
      ),
    ['prod.source'],
  ],
  [
    'a default password in production',
    (c) => {
      c.edit('compose.yml', 'DB_PASS: ${POSTGRES_PASSWORD}', 'DB_PASS: ${API_PASSWORD:-lab}');
      c.write('.env.example', `${c.read('.env.example')}#API_PASSWORD=lab\n`);
    },
    ['prod.passwords'],
  ],
];

describe.skipIf(inject('notRunBecause')).concurrent('the files of the course-like stack', () => {
  it.for(mutations)('%s', async ([, mutate, failed, notRun = []], { expect, onTestFinished }) => {
    const course = new Course();
    onTestFinished(() => rmSync(course.directory, { recursive: true }));
    mutate(course);
    expect(differences(await course.check({ only }), failed, notRun)).toEqual([]);
  });
});
