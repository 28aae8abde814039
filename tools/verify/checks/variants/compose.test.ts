// How students write services, and how these wait, restart and log.
import type { Course } from '../../test/course.ts';
import { add, judge, set, write } from './by-files.ts';

const healthy = '{ condition: service_healthy }';

/** Puts a migration between api and db. */
const migrate = (course: Course, condition: string) => {
  course.editService(
    'api',
    `db: ${healthy}`,
    'migrate: { condition: service_completed_successfully }',
  );
  const lines = ['restart: "no"', 'logging: *logging', 'networks: [backend]'];
  const service = ['image: postgres:17-alpine', 'command: [psql, -f, /schema.sql]', ...lines];
  const depends = `depends_on: { db: { condition: ${condition} } }`;
  const text = [...service, depends].map((line) => `    ${line}\n`).join('');
  course.edit('compose.yml', '\nnetworks:\n', `\n  migrate:\n${text}\nnetworks:\n`);
};

/** Moves what a service depends on to the override. */
const onlyInDevelopment = (course: Course, service: string, needed: string) => {
  const text = `    depends_on:\n      ${needed}: ${healthy}\n`;
  course.editService(service, text, `    depends_on: [${needed}]\n`);
  const override = course.read('compose.override.yml');
  const withService = override.includes(`\n  ${service}:\n`);
  const before = withService ? `\n  ${service}:\n` : '\nservices:\n';
  const after = withService ? `\n  ${service}:\n${text}` : `\nservices:\n  ${service}:\n${text}`;
  course.edit('compose.override.yml', before, after);
};

judge(
  'the Compose files',
  ['compose'],
  [
    [
      'right: db in a file of its own, which is included',
      (c) => {
        const text = c.read('compose.yml');
        const [from, to] = [text.indexOf('  db:\n'), text.indexOf('\nnetworks:\n')];
        const service = text.slice(from, to).replace('./db/init', './init');
        const anchor = text.slice(text.indexOf('x-logging'), text.indexOf('services:'));
        const volumes = 'networks:\n  backend:\nvolumes:\n  pgdata:\n';
        write(c, 'db/compose.yml', `${anchor}services:\n${service}${volumes}`);
        const rest = `${text.slice(0, from)}networks:\n  frontend:\n`;
        c.write(
          'compose.yml',
          rest.replace('services:\n', 'include: [db/compose.yml]\nservices:\n'),
        );
        for (const file of ['compose.override.yml', 'compose.prod.yml'])
          c.write(file, 'services: {}\n');
      },
    ],
    [
      'wrong: db needs a profile that nobody names',
      (c) => {
        add(c, 'db', 'profiles: [database]');
        c.editService('api', `    depends_on:\n      db: ${healthy}\n`, '');
      },
      'compose.model',
      'compose.depends-api',
    ],
    [
      'wrong: a service that is pasted twice',
      (c) => c.edit('compose.yml', '\nnetworks:\n', '\n  api:\n    image: api:1\n\nnetworks:\n'),
      'compose.model',
    ],

    [
      'right: a default within a default, and dollars for the shell',
      (c) => {
        c.editService('api', 'DB_HOST: db', 'DB_HOST: "${DATABASE:-${DB_SERVICE:-db}}"');
        add(c, 'api', 'command: [sh, -c, "echo $$HOSTNAME $${PATH}; exec node server.js"]');
      },
    ],
    [
      'wrong: a variable that only an env_file of a service has',
      (c) => {
        write(c, 'api/api.env', 'DB_HOST=db\n');
        c.editService('api', 'DB_HOST: db', 'DB_HOST: ${DB_HOST}');
        add(c, 'api', 'env_file: api/api.env');
      },
      'compose.variables',
    ],
    [
      'wrong: a password with a dollar, which starts a variable',
      (c) => set(c, '.env', 'POSTGRES_PASSWORD=pa$sword'),
      'compose.variables',
    ],

    ['right: api waits for a migration, which waits for db', (c) => migrate(c, 'service_healthy')],
    [
      'wrong: api waits for a migration, which does not wait until db is healthy',
      (c) => migrate(c, 'service_started'),
      'compose.depends-api',
    ],
    [
      'wrong: api waits for db in development only',
      (c) => onlyInDevelopment(c, 'api', 'db'),
      'compose.depends-api',
    ],
    [
      'right: web waits for a cache, which waits for api',
      (c) => {
        c.editService('web', `api: ${healthy}`, 'cache: { condition: service_started }');
        const lines = ['image: varnish:8.0', 'restart: always', 'logging: *logging'];
        const depends = `depends_on: { api: ${healthy} }`;
        const text = [...lines, depends].map((line) => `    ${line}\n`).join('');
        c.edit('compose.yml', '\nnetworks:\n', `\n  cache:\n${text}\nnetworks:\n`);
      },
    ],
    [
      'wrong: web waits until another service than api is healthy',
      (c) =>
        c.editService(
          'web',
          `api: ${healthy}`,
          `db: ${healthy}\n      api: { condition: service_started }`,
        ),
      'compose.depends-web',
    ],
    [
      'wrong: web waits for api in development only',
      (c) => onlyInDevelopment(c, 'web', 'api'),
      'compose.depends-web',
    ],

    [
      'right: restart as a swarm has it',
      (c) => {
        const policy = 'deploy: { restart_policy: { condition: any, delay: 5s } }';
        c.editService('api', 'restart: unless-stopped', policy);
      },
    ],
    [
      'wrong: a swarm that restarts a service only after a failure',
      (c) => {
        const policy = 'deploy: { restart_policy: { condition: on-failure, max_attempts: 5 } }';
        c.editService('api', 'restart: unless-stopped', policy);
      },
      'compose.restart',
    ],
    [
      'wrong: logs with a limit in development only',
      (c) => {
        c.editService('api', '    logging: *logging\n', '');
        const logging = 'logging: { driver: json-file, options: { max-size: 10m, max-file: "3" } }';
        c.edit('compose.override.yml', '\n  api:\n', `\n  api:\n    ${logging}\n`);
      },
      'compose.logging',
    ],
  ],
);
