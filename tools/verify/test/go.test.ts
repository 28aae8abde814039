// A Go project whose image has no shell, and whose login is in files.
import { randomBytes } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { Course } from './course.ts';
import { differences, idsOf, passesAll } from './expected.ts';

describe.skipIf(inject('notRunBecause'))('the Go project of a student', () => {
  const course = new Course('go');
  const password = randomBytes(24).toString('base64'); // as its README says
  beforeAll(() => {
    mkdirSync(join(course.directory, 'secrets'), { mode: 0o700 });
    course.write('secrets/db_user.txt', 'tasks_owner\n');
    course.write('secrets/db_password.txt', `${password}\n`);
  });
  afterAll(() => course.remove());

  it('passes every check right after `up -d`, the destructive too', async () => {
    const report = await passesAll(course);
    // Its contract does not have GET of one task, and it is not production.
    expect(idsOf(report, 'skipped')).toEqual(['api.get', 'database.published-passwords']);
  }, 600_000);

  it('fails the checks for each of two small mistakes, and no other', async () => {
    // An address for a tool, beside the file: now the password is in the environment as well.
    const address = 'DATABASE_URL: postgres://tasks_owner:${DB_PASSWORD:?}@db/tasks';
    course.edit('compose.yaml', "ADDR: ':8080'", `ADDR: ':8080'\n      ${address}`);
    course.write('.env.example', `${course.read('.env.example')}DB_PASSWORD=change-me\n`);
    const line = `DB_PASSWORD=${encodeURIComponent(password)}\n`;
    course.write('.env', `${course.read('.env')}${line}`);
    // A third network, for monitoring, leads from web to the database.
    course.edit('compose.yaml', '    networks: [edge]\n', '    networks: [edge, metrics]\n');
    course.edit('compose.yaml', '    networks: [data]\n', '    networks: [data, metrics]\n');
    course.edit('compose.yaml', 'networks:\n  edge:\n', 'networks:\n  metrics:\n  edge:\n');

    await course.compose('up', '-d');
    const report = await course.check();
    const ofNetworks = ['network.separate', 'network.web-cannot-reach-db'];
    expect(differences(report, ['config.secret-files', ...ofNetworks])).toEqual([]);
  }, 180_000);
});
