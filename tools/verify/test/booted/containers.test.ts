// Each change of the course-like stack's containers and database fails exactly the checks that it should.
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, inject, it, onTestFinished } from 'vitest';
import { differences, idsOf } from '../expected.ts';
import { BootedCourse } from './booted-course.ts';

describe.skipIf(inject('notRunBecause'))('the containers of the course-like stack', () => {
  const course = BootedCourse.forTests();

  const lookAtContainers = ['health', 'network', 'volumes', 'config', 'database'];
  const changed = async (...mutate: [service: string, from: string, to: string][]) => {
    for (const edit of mutate) course.editService(...edit);
    onTestFinished(async () => {
      course.writePristine();
      await course.up();
    });
    await course.up();
  };

  it('web in both networks', async () => {
    await changed(['web', '[frontend]', '[frontend, backend]']);
    const report = await course.check({ only: lookAtContainers });
    expect(differences(report, ['network.separate', 'network.web-cannot-reach-db'])).toEqual([]);
  });

  it('an API that runs as root', async () => {
    await changed(['api', '    init: true', '    init: true\n    user: root']);
    const report = await course.check({ only: lookAtContainers });
    expect(differences(report, ['config.non-root'])).toEqual([]);
  });

  it('a database that lets everybody in', async () => {
    await course.editHba('sed s/scram-sha-256/trust/');
    const report = await course.check({ only: lookAtContainers });
    expect(differences(report, ['database.password'])).toEqual([]);
  });

  it('a table that takes anything', async () => {
    await course.sql('ALTER TABLE tasks ALTER title DROP NOT NULL, DROP CONSTRAINT tasks_pkey');
    onTestFinished(async () => {
      await course.sql('ALTER TABLE tasks ALTER title SET NOT NULL, ADD PRIMARY KEY (id)');
    });
    const report = await course.check({ only: lookAtContainers });
    expect(differences(report, ['database.constraints'])).toEqual([]);
    expect(
      report.results.find(({ check }) => check.id === 'database.constraints')?.seen,
    ).toHaveLength(2);
  });

  it('a column that is missing', async () => {
    await course.sql('ALTER TABLE tasks RENAME created_at TO made');
    onTestFinished(async () => {
      await course.sql('ALTER TABLE tasks RENAME made TO created_at');
    });
    const report = await course.check({ only: lookAtContainers });
    expect(differences(report, ['database.table'], ['database.seed'])).toEqual([]);
  });

  describe('its passwords in production', () => {
    const only = ['database.published-passwords'];
    const production = { files: ['compose.yml', 'compose.prod.yml'] };
    const login = async (name: string, password: string) => {
      const create = `CREATE ROLE ${name} LOGIN PASSWORD '${password}'`;
      await course.sql(`SET password_encryption = 'md5'; ${create}`);
      onTestFinished(async () => {
        await course.sql(`DROP ROLE ${name}`);
      });
    };
    const nothingInTheExample = () =>
      course.edit('.env.example', 'PASSWORD=change-me', 'PASSWORD=');

    it('pass when nobody has published them', async () => {
      nothingInTheExample();
      const report = await course.check({ only }, production);
      expect(idsOf(report, 'passed')).toEqual(only);
    });

    it.each<[what: string, change: () => Promise<void> | void, seen: string[]]>([
      [
        'that of .env.example, with a new hash and an old one',
        () => login('reader', 'change-me'),
        [
          'reader has the password from POSTGRES_PASSWORD in .env.example',
          'taskapp has the password from POSTGRES_PASSWORD in .env.example',
        ],
      ],
      [
        'that of a login which an init file makes',
        () => {
          nothingInTheExample();
          course.write('db/init/02_roles.sql', "CREATE ROLE reader LOGIN PASSWORD 'read';\n");
          onTestFinished(() => rmSync(join(course.directory, 'db/init/02_roles.sql')));
          return login('reader', 'read');
        },
        ['reader has the password from 02_roles.sql'],
      ],
      [
        'that of a Compose file',
        () => {
          nothingInTheExample();
          const services = 'x-admin: ${ADMIN_PASSWORD:-lab-only}\nservices:';
          course.edit('compose.prod.yml', 'services:', services);
          return login('admin', 'lab-only');
        },
        ['admin has the password from ADMIN_PASSWORD in compose.prod.yml'],
      ],
    ])('%s', async (_what, change, seen) => {
      await change();
      const { results } = await course.check({ only }, production);
      expect(results.flatMap((result) => result.seen).toSorted()).toEqual(seen);
    });

    it('are looked at when .env alone says that this is production', async () => {
      const { '.env': settings = '' } = Object.fromEntries(course.pristine);
      course.write('.env', `COMPOSE_FILE=compose.yml:compose.prod.yml\n${settings}`);
      expect(idsOf(await course.check({ only }), 'failed')).toEqual(only);
    });
  });
});
