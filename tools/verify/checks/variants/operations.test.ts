// Stacks that stop and start, each with several peculiarities: all of them right, or each wrong.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, inject, it, onTestFinished } from 'vitest';
import type { Check } from '../../check.ts';
import { Project } from '../../project.ts';
import { verify } from '../../run.ts';
import { BootedCourse } from '../../test/booted/booted-course.ts';
import { differences } from '../../test/expected.ts';
import { checks } from '../all.ts';

const only = [
  'health.database-down',
  'health.unhealthy',
  'health.recovers',
  'operations.backup',
  'operations.reboot',
  'operations.down-up',
];
const server = 'api/server.js';
const start = 'const missing =';
const ask = "await query('SELECT 1 FROM tasks LIMIT 1');";

it('shows each check the stack as it was given: what changes more of it comes later', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'taskapp-order-'));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const order: string[] = [];
  const onStart = ({ id }: Check) => order.push(id);
  await verify(new Project({ directory }), {
    destructive: true,
    only: ['health', 'operations'],
    onStart,
  });
  expect(order.filter((id) => checks.find((check) => check.id === id)?.destructive)).toEqual([
    'operations.backup',
    'operations.backup-script',
    'health.database-down',
    'health.unhealthy',
    'health.nginx-alone',
    'health.recovers',
    'operations.reboot',
    'operations.down-up',
  ]);
});

describe.skipIf(inject('notRunBecause'))('a stack that is stopped and started', () => {
  const course = BootedCourse.forTests();
  const databases = () => course.sql('SELECT datname FROM pg_database ORDER BY 1');
  const check = async (failed: string[], notRun: string[] = []) => {
    const before = [await course.tasks(), await databases()];
    const report = await course.check({ only, destructive: true });
    expect(differences(report, failed, notRun)).toEqual([]);
    expect([await course.tasks(), await databases()]).toEqual(before);
  };

  it('passes with what is unusual and right', async () => {
    // nginx looks for api with each request: api may get another address.
    const lookUp = 'resolver 127.0.0.11 valid=1s;\n        set $tier api;';
    const pass = 'proxy_pass http://';
    course.edit('nginx/default.conf', `${pass}api:8080`, `${lookUp}\n        ${pass}$tier:8080`);
    // It ends without its database, and asks for it in the background.
    const look = `
      let isUp = false;
      const look = async () => {
        isUp = await query('SELECT 1 FROM tasks LIMIT 1').then(() => true, () => false);
        setTimeout(look, 2000);
      };
      await query('SELECT 1');
      await look();
      ${start}`;
    course.edit(server, start, look);
    course.edit(server, ask, 'if (!isUp) throw new Error();');
    await course.compose('up', '-d', '--wait', '--scale', 'api=2');
    await course.restartApi();
    await course.sql(`
      CREATE VIEW open_tasks AS SELECT * FROM tasks WHERE status <> 'completed';
      CREATE TABLE notes (task int REFERENCES tasks ON DELETE CASCADE, note text);
      INSERT INTO notes SELECT id, title FROM tasks;
      CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
      CREATE TRIGGER keep BEFORE UPDATE ON tasks FOR EACH ROW EXECUTE FUNCTION keep()`);
    await check([]);
    const notes = await course.sql('SELECT count(*) FROM notes JOIN tasks ON task = id');
    expect(notes.trim()).toBe('2');
    expect((await course.compose('ps', '--quiet', 'api')).trim().split('\n')).toHaveLength(2);
  });

  it('fails for what is wrong and well disguised', async () => {
    // It says so in the body, and not by the status.
    course.edit(server, "[503, { status: 'unhealthy' }]", "[200, { status: 'unhealthy' }]");
    // It tidies up at each start.
    const tidy = `await query("DELETE FROM tasks WHERE status = 'completed'");\n${start}`;
    course.edit(server, start, tidy);
    await course.up(); // one replica again
    await course.restartApi();
    // The function is not found in a restore, which looks in no schema for the other table.
    await course.sql(`
      CREATE TABLE statuses (name text PRIMARY KEY);
      INSERT INTO statuses VALUES ('pending'), ('in_progress'), ('completed');
      CREATE FUNCTION is_known(text) RETURNS boolean LANGUAGE sql
        AS 'SELECT EXISTS (SELECT FROM statuses WHERE name = $1)';
      ALTER TABLE tasks ADD CHECK (is_known(status));
      INSERT INTO tasks (title, status) VALUES ('Pass the course', 'completed')`);
    await check(
      ['health.database-down', 'operations.backup', 'operations.reboot', 'operations.down-up'],
      ['health.unhealthy'],
    );
  });
});
