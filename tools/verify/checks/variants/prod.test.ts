// Production as students write it: unusual and right, or wrong and disguised. Nothing is booted.
import { describe, expect, inject, it, onTestFinished } from 'vitest';
import { Course } from '../../test/course.ts';
import { differences } from '../../test/expected.ts';
import { add, judge, type Variant, write } from './by-files.ts';

const production = 'compose.prod.yml';
const inProduction = (course: Course, service: string, line: string) =>
  course.editService(service, '    deploy:', `    ${line}\n    deploy:`, production);

const right: Variant[] = [
  [
    'takes away the ports that the base publishes',
    (c) => {
      add(c, 'db', 'ports: ["127.0.0.1:5432:5432"]');
      inProduction(c, 'db', 'ports: !reset []');
      add(c, 'api', 'expose: ["8080"]');
    },
  ],
  [
    'is a base and a file that extends a service of another file',
    (c) => {
      c.write('limits.yml', 'services:\n  small:\n    mem_limit: 64m\n    cpus: 0.25\n');
      c.write(production, c.read(production).replace(/( {2}web:\n).*\n/, '$1'));
      const service = 'extends: { file: limits.yml, service: small }';
      c.edit(production, '  web:\n', `  web:\n    ${service}\n`);
    },
  ],
  [
    'mounts a setting into api',
    (c) => {
      write(c, 'config/logging.json', '{ "level": "info" }\n');
      add(c, 'api', 'volumes: ["./config/logging.json:/etc/taskapp/logging.json:ro"]');
    },
  ],
  [
    'says that debug mode is off, and logs a lot',
    (c) => inProduction(c, 'api', 'environment: { FLASK_DEBUG: 0, LOG_LEVEL: debug }'),
  ],
  [
    'takes a password from either of two variables',
    (c) => c.editService('db', '${POSTGRES_PASSWORD}', '${POSTGRES_PASSWORD:-${DB_PASSWORD}}'),
  ],
];

const wrong: Variant[] = [
  [
    'contradicts the base, where each file is right alone',
    (c) => add(c, 'api', 'mem_limit: 64m'),
    'prod.model',
  ],
  [
    'has limits of zero: none',
    (c) => c.edit(production, 'cpus: "1", memory: 256M', 'cpus: "0", memory: "0"'),
    'prod.limits',
  ],
  [
    'runs api in the network of the host',
    (c) => inProduction(c, 'api', 'networks: !reset []\n    network_mode: host'),
    'prod.ports',
  ],
  [
    'runs source from another directory than that of the image',
    (c) => {
      inProduction(c, 'api', 'volumes: ["./api:/src:ro"]');
      inProduction(c, 'api', 'command: [node, /src/server.js]');
    },
    'prod.source',
  ],
  [
    'mounts a part of the program from beside the build context',
    (c) => {
      write(c, 'lib/format.js', 'export const format = String;\n');
      add(c, 'api', 'volumes: ["./lib:/app/lib:ro"]');
    },
    'prod.source',
  ],
  [
    'starts a development server in a shell',
    (c) => add(c, 'api', 'command: sh -c "sleep 1; flask --app app run --debug"'),
    'prod.debug',
  ],
  [
    'starts a development server by its entrypoint',
    (c) => inProduction(c, 'api', 'entrypoint: [node, --watch, server.js]'),
    'prod.debug',
  ],
  [
    'has a default password inside an address',
    (c) => {
      const address = 'postgres://taskapp:${DB_PASSWORD:-let-me-in}@db/taskdb';
      inProduction(c, 'api', `environment: { DATABASE_URL: "${address}" }`);
    },
    'prod.passwords',
  ],
];

judge('production', ['prod'], [...right, ...wrong]);

const start = 'CMD ["node", "server.js"]';
const images: Variant[] = [
  [
    'wrong: debug mode that only the image has',
    (c) => c.edit('api/Dockerfile', start, `ENV FLASK_DEBUG=1\n${start}`),
    'prod.debug',
  ],
  [
    'wrong: a development server that only the image has',
    (c) => c.edit('api/Dockerfile', '"node", "server.js"', '"node", "--watch", "server.js"'),
    'prod.debug',
  ],
  [
    'right: a development image whose settings production overrides',
    (c) => {
      c.edit(
        'api/Dockerfile',
        start,
        `ENV NODE_ENV=development\nCMD ["node", "--watch", "server.js"]`,
      );
      inProduction(c, 'api', 'environment: { NODE_ENV: production }');
      inProduction(c, 'api', 'command: [node, server.js]');
    },
  ],
  [
    'right: production that is built from another target',
    (c) => {
      c.edit('api/Dockerfile', start, `ENV NODE_ENV=development\n${start}`);
      inProduction(c, 'api', 'build: { target: production }');
      c.edit(production, '    image: example/taskapp-api:${TAG:-1.0.0}\n', '');
    },
  ],
];

describe.skipIf(inject('notRunBecause'))('images of production', () => {
  it.each(images)('%s', async (_what, change, ...failed) => {
    const course = new Course();
    onTestFinished(() => course.remove());
    change(course);
    await course.compose('build', 'api');
    expect(differences(await course.check({ only: ['prod.debug'] }), failed)).toEqual([]);
  });
});
