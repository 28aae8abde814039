// Production as students write it: unusual and right, or wrong and disguised. Nothing is booted.
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, inject, it } from 'vitest';
import { Course } from '../../test/course.ts';
import { differences } from '../../test/expected.ts';

type Variant = [
  what: string,
  change: (course: Course) => void,
  failed?: string[],
  notRun?: string[],
];

const production = 'compose.prod.yml';
const inBase = (course: Course, service: string, line: string) =>
  course.editService(service, '    networks:', `    ${line}\n    networks:`);
const inProduction = (course: Course, service: string, line: string) =>
  course.editService(service, '    deploy:', `    ${line}\n    deploy:`, production);

const write = (course: Course, directory: string, name: string, text: string) => {
  mkdirSync(join(course.directory, directory));
  course.write(`${directory}/${name}`, text);
};

const right: Variant[] = [
  [
    'takes away the ports that the base publishes',
    (c) => {
      inBase(c, 'db', 'ports: ["127.0.0.1:5432:5432"]');
      inProduction(c, 'db', 'ports: !reset []');
      inBase(c, 'api', 'expose: ["8080"]');
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
      write(c, 'config', 'logging.json', '{ "level": "info" }\n');
      inBase(c, 'api', 'volumes: ["./config/logging.json:/etc/taskapp/logging.json:ro"]');
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
    (c) => inBase(c, 'api', 'mem_limit: 64m'),
    ['prod.model'],
    ['prod.limits', 'prod.images', 'prod.ports', 'prod.source', 'prod.debug'],
  ],
  [
    'has limits of zero: none',
    (c) => c.edit(production, 'cpus: "1", memory: 256M', 'cpus: "0", memory: "0"'),
    ['prod.limits'],
  ],
  [
    'runs api in the network of the host',
    (c) => inProduction(c, 'api', 'networks: !reset []\n    network_mode: host'),
    ['prod.ports'],
  ],
  [
    'runs source from another directory than that of the image',
    (c) => {
      inProduction(c, 'api', 'volumes: ["./api:/src:ro"]');
      inProduction(c, 'api', 'command: [node, /src/server.js]');
    },
    ['prod.source'],
  ],
  [
    'mounts a part of the program from beside the build context',
    (c) => {
      write(c, 'lib', 'format.js', 'export const format = String;\n');
      inBase(c, 'api', 'volumes: ["./lib:/app/lib:ro"]');
    },
    ['prod.source'],
  ],
  [
    'starts a development server in a shell',
    (c) => inBase(c, 'api', 'command: sh -c "sleep 1; flask --app app run --debug"'),
    ['prod.debug'],
  ],
  [
    'starts a development server by its entrypoint',
    (c) => inProduction(c, 'api', 'entrypoint: [node, --watch, server.js]'),
    ['prod.debug'],
  ],
  [
    'has a default password inside an address',
    (c) => {
      const address = 'postgres://taskapp:${DB_PASSWORD:-let-me-in}@db/taskdb';
      inProduction(c, 'api', `environment: { DATABASE_URL: "${address}" }`);
    },
    ['prod.passwords'],
  ],
];

describe.skipIf(inject('notRunBecause')).concurrent('production that', () => {
  it.for([...right, ...wrong])('%s', async ([, change, failed = [], notRun = []], test) => {
    const course = new Course();
    test.onTestFinished(() => rmSync(course.directory, { recursive: true }));
    change(course);
    const report = await course.check({ only: ['prod'] });
    test.expect(differences(report, failed, notRun)).toEqual([]);
  });
});
