// Each change of the course-like stack's nginx fails exactly the checks that it should.
import { execFileSync } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, inject, it, onTestFinished } from 'vitest';
import { differences, idsOf } from '../expected.ts';
import { root } from '../root.ts';
import { BootedCourse } from './booted-course.ts';

describe.skipIf(inject('notRunBecause'))('the nginx of the course-like stack', () => {
  const course = BootedCourse.forTests();

  const changed = async (from: string, to: string) => {
    course.edit('nginx/default.conf', from, to);
    onTestFinished(async () => {
      course.writePristine();
      await course.reloadNginx();
      // `up --wait` would give up at once on an unhealthy container.
      await expect
        .poll(() => course.compose('ps', 'web'), { timeout: 20_000 })
        .toContain('(healthy)');
      await course.up();
    });
    await course.reloadNginx();
  };

  it('no /nginx-health', async () => {
    await changed('location = /nginx-health', 'location = /other-health');
    await expect
      .poll(() => course.compose('ps', 'web'), { timeout: 20_000 })
      .toContain('unhealthy');
    expect(
      differences(await course.check({ only: ['health', 'api'] }), [
        'health.healthy',
        'health.nginx',
      ]),
    ).toEqual([]);
  });

  it('the welcome page at /', async () => {
    await changed(
      'location / {',
      'location = / { return 200 "<h1>Welcome to nginx!</h1>"; }\n    location / {',
    );
    expect(differences(await course.check({ only: ['health', 'api'] }), ['api.index'])).toEqual([]);
  });

  it('a redirect to an address that was not asked for', async () => {
    await changed('proxy_pass http://api:8080;', 'return 301 https://$host$request_uri;');
    const report = await course.check({ only: ['health', 'api'] });
    expect(idsOf(report, 'failed')).toEqual(['health.answers']);
    expect(report.results.find(({ check }) => check.id === 'health.answers')?.seen[0]).toMatch(
      /redirects to https:.*--url/,
    );
  });

  describe('its TLS', () => {
    const only = ['health', 'api'];

    /** Serves TLS for one name only: a request for another gets 404. Returns the certificate. */
    function serveTls(address: string, name: string, port: number): Buffer {
      const secrets = join(course.directory, 'secrets');
      const make = ['--dir', secrets, '--self-signed', name];
      execFileSync(join(root, 'scripts/make-secrets.sh'), make, { stdio: 'pipe' });
      onTestFinished(() => rmSync(secrets, { recursive: true }));
      const pair = 'ssl_certificate /tls/tls.crt;\nssl_certificate_key /tls/tls.key;\n';
      const others = `server {\nlisten ${port} ssl default_server;\nreturn 404;\n}\n`;
      course.edit(
        'nginx/default.conf',
        'server {',
        `${pair}${others}server {\nlisten ${port} ssl;`,
      );
      course.edit('nginx/default.conf', 'localhost 127.0.0.1;', `${name};`);
      course.editService('web', '- ${HTTP_PORT:-80}:80', `- "${address}:0:${port}"`);
      course.editService('web', '    volumes:\n', '    volumes:\n      - ./secrets:/tls:ro\n');
      return readFileSync(join(secrets, 'tls.crt'));
    }

    it.each([
      ['127.0.0.1', 'localhost', 443],
      ['[::1]', 'localhost', 443],
      ['0.0.0.0', 'tasks.example.org', 9000],
      ['127.0.0.1', '192.0.2.7', 443],
    ])('on %s, with a certificate for %s: every check is run', async (address, name, port) => {
      const ca = serveTls(address, name, port);
      await course.up();
      const report = await course.check({ only }, { trust: { ca } });
      expect(differences(report, [])).toEqual([]);
      // The certificate is still checked: no known authority has signed it.
      expect(idsOf(await course.check({ only: ['health'] }), 'failed')).toEqual(['health.answers']);
    });
  });
});
