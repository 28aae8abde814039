// Where students write their health checks, and the times of these.
import { describe, expect, inject, it, onTestFinished } from 'vitest';
import { Course } from '../../test/course.ts';
import { differences } from '../../test/expected.ts';
import { judge } from './by-files.ts';

const only = ['health.checks', 'health.timing'];
const image = '    image: ${NGINX_IMAGE:-nginx:1.30-alpine}\n';
const command = 'CMD wget -qO /dev/null http://127.0.0.1/nginx-health';

/** Gives web a Dockerfile, and this instead of its health check. */
function dockerfile(course: Course, lines: string[], healthcheck: string): void {
  const text = lines.map((line) => `        ${line}\n`).join('');
  const build = `    build:\n      context: .\n      args: [NGINX_IMAGE]\n`;
  course.editService('web', image, `${build}      dockerfile_inline: |\n${text}`);
  const section = /  web:\n[^]*?(    healthcheck:\n(?:      .*\n)+)/.exec(
    course.read('compose.yml'),
  );
  course.editService('web', section?.[1] ?? '', healthcheck);
}

const images: [what: string, lines: string[], healthcheck: string, ...failed: string[]][] = [
  [
    'right: a check and its timeout in the image, its interval in the Compose file',
    ['ARG NGINX_IMAGE', 'FROM $${NGINX_IMAGE}', `HEALTHCHECK --timeout=2s ${command}`],
    '    healthcheck: { interval: 90s }\n',
  ],
  [
    'right: a check and its times in the image alone',
    [
      'ARG NGINX_IMAGE',
      'FROM $${NGINX_IMAGE}',
      `HEALTHCHECK --interval=5s --timeout=2s ${command}`,
    ],
    '',
  ],
  [
    'wrong: a check in a stage that the image is not made of',
    [
      'ARG NGINX_IMAGE',
      'FROM $${NGINX_IMAGE} AS checked',
      `HEALTHCHECK --interval=5s --timeout=2s ${command}`,
      'FROM $${NGINX_IMAGE}',
      'COPY --from=checked /etc/nginx/nginx.conf /etc/nginx/nginx.conf',
    ],
    '    healthcheck: { interval: 5s, timeout: 2s }\n',
    'health.checks',
  ],
];

describe.skipIf(inject('notRunBecause'))('health checks in images', () => {
  it.each(images)('%s', async (_what, lines, healthcheck, ...failed) => {
    const course = new Course();
    onTestFinished(() => course.remove());
    dockerfile(course, lines, healthcheck);
    await course.compose('build', 'web');
    expect(differences(await course.check({ only }), failed)).toEqual([]);
  });
});

judge('the health checks', only, [
  [
    'wrong: a check that production switches off',
    (c) => {
      const off = '    healthcheck: { disable: true }\n    deploy:';
      c.editService('web', '    deploy:', off, 'compose.prod.yml');
    },
    'health.checks',
  ],
  [
    'wrong: the interval of the start only',
    (c) => c.editService('web', '      interval: 2s\n', ''),
    'health.timing',
  ],
  [
    'wrong: an interval of zero, which is the default',
    (c) => c.editService('db', 'interval: 2s', 'interval: 0s'),
    'health.timing',
  ],
]);
