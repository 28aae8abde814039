// How students lay out their networks and publish their ports.
import type { Course } from '../../test/course.ts';
import { add, judge } from './by-files.ts';

const only = ['network.front', 'network.back', 'network.separate', 'network.published'];

const networks = (course: Course, service: string, from: string, to: string) =>
  course.editService(service, `    networks: ${from}\n`, to === '' ? '' : `    networks: ${to}\n`);
const declare = (course: Course, text: string) =>
  course.edit('compose.yml', '\nnetworks:\n  frontend:\n  backend:\n', `\nnetworks:\n${text}`);

judge('the networks', only, [
  [
    'right: web and api meet in the default network',
    (c) => {
      networks(c, 'web', '[frontend]', '');
      networks(c, 'api', '[frontend, backend]', '{ default: { aliases: [tasks] }, backend: {} }');
      declare(c, '  backend: { internal: true }\n');
    },
  ],
  [
    'right: api and db meet in the default network',
    (c) => {
      networks(c, 'db', '[backend]', '');
      networks(c, 'api', '[frontend, backend]', '[frontend, default]');
      c.edit('compose.override.yml', '    networks: [backend]\n', '');
      declare(c, '  frontend:\n');
    },
  ],
  [
    'right: networks of two names, which are one',
    (c) => {
      networks(c, 'web', '[frontend]', '[edge]');
      declare(c, '  edge: { name: front }\n  frontend: { name: front }\n  backend:\n');
    },
  ],
  [
    'right: a private network more for each of them',
    (c) => {
      networks(c, 'web', '[frontend]', '[frontend, monitoring]');
      networks(c, 'db', '[backend]', '[backend, tools]');
      declare(c, '  frontend:\n  backend:\n  monitoring:\n  tools:\n');
    },
  ],
  [
    'wrong: web in a network with almost the name of that of api',
    (c) => {
      networks(c, 'web', '[frontend]', '[front-end]');
      declare(c, '  frontend:\n  front-end:\n  backend:\n');
    },
    'network.front',
  ],
  [
    'wrong: db in a network with almost the name of that of api',
    (c) => {
      networks(c, 'db', '[backend]', '[back-end]');
      declare(c, '  frontend:\n  backend:\n  back-end:\n');
    },
    'network.back',
  ],
  [
    'wrong: two networks, which are one by their name',
    (c) => declare(c, '  frontend: { name: tasks }\n  backend: { name: tasks }\n'),
    'network.separate',
  ],

  [
    'right: the port of db on the loopback of IPv6, and those of api as a range',
    (c) => {
      add(c, 'db', 'ports: [{ target: 5432, published: 15432, host_ip: "::1" }]');
      add(c, 'api', 'ports: ["127.0.0.2:9000-9001:9000-9001"]', 'expose: [8080]');
    },
  ],
  [
    'wrong: a tool in the network of the host, which needs no ports',
    (c) => {
      const own = '    networks: [backend]\n    ports:\n      - 127.0.0.1:9090:8080\n';
      c.editService('adminer', own, '    network_mode: host\n', 'compose.override.yml');
    },
    'network.published',
  ],
]);
