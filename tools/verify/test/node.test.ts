// A Node project with everything in nested folders, and the database as one address.
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { Course } from './course.ts';
import { differences, idsOf, passesAll } from './expected.ts';

describe.skipIf(inject('notRunBecause'))('the Node project of a student', () => {
  const course = new Course('node');
  const password = randomBytes(24).toString('hex'); // as its .env.example says
  beforeAll(() => course.edit('.env', 'DB_PASSWORD=change-me', `DB_PASSWORD=${password}`));
  afterAll(() => course.remove());

  it('passes every check right after `up -d`, the destructive too', async () => {
    const report = await passesAll(course);
    // It has no secret files, is not production, and has no script.
    const without = ['config.secret-files', 'database.published-passwords'];
    expect(idsOf(report, 'skipped')).toEqual([...without, 'operations.backup-script']);
  }, 600_000);

  it('fails the check for each of two small mistakes, and no other', async () => {
    // The health check prints its error, and then ends well.
    course.edit('services/api/Dockerfile', '() => process.exit(1)', 'console.error');
    // A login for reports, with the password that was at hand.
    const login = `CREATE ROLE reports LOGIN PASSWORD '${password}';\n`;
    course.write('services/db/init/030-reports.sql', login);
    await course.compose('up', '-d', '--build');
    const report = await course.check();
    expect(differences(report, ['health.can-fail', 'files.secrets-ignored'])).toEqual([]);
  }, 180_000);
});
