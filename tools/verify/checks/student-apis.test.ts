// APIs that students write, each running: what is wrong is found, what is right passes, and
// afterwards the tasks are what they were.
import { mkdirSync, rmSync } from 'node:fs';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { dirname, join } from 'node:path';
import { describe, expect, inject, it, onTestFinished, vi } from 'vitest';
import { mayBeStopped } from '../lifecycle.ts';
import { Project } from '../project.ts';
import { verify } from '../run.ts';
import { root } from '../test/root.ts';
import { BootedCourse } from '../test/booted/booted-course.ts';
import { differences } from '../test/expected.ts';

const guard = "  if (id && !/^\\d+$/.test(id)) return [400, { error: 'Not an id' }];\n";
const updateOne = 'WHERE id = $1 RETURNING *';
const deleteOne = 'DELETE FROM tasks WHERE id = $1 RETURNING id';
const list = "SELECT * FROM tasks ORDER BY id'";
const limited = '<h1>503 Service Temporarily Unavailable</h1>';
const start = 'async function handle(request, response) {\n';

type Edit = [from: string, to: string];
type Variant = [what: string, edits: Edit[], failed: string[], notRun?: string[]];

const wrong: Variant[] = [
  [
    'the id is a part of the statement',
    [
      [guard, ''],
      [updateOne, 'WHERE id = ${decodeURIComponent(id)} AND $1::text IS NOT NULL RETURNING *'],
      ["const sql = 'UPDATE", 'const sql = `UPDATE'],
      ["NULL RETURNING *'", 'NULL RETURNING *`'],
    ],
    ['api.wrong-id'],
  ],
  ['a word as id is a fault of the server', [[guard, '']], ['api.wrong-id']],
  [
    'DELETE without WHERE',
    [[deleteOne, 'DELETE FROM tasks WHERE $1::int > 0 RETURNING id']],
    ['api.delete', 'api.unknown-id'],
  ],
  [
    'UPDATE without WHERE',
    [[updateOne, 'WHERE $1::int > 0 RETURNING *']],
    ['api.update', 'api.unknown-id'],
  ],
  ['no created_at', [[list, "SELECT id, title, status FROM tasks ORDER BY id'"]], ['api.list']],
  [
    'titles in upper case',
    [['VALUES ($1, $2) RETURNING *', 'VALUES (upper($1), $2) RETURNING *']],
    ['api.create', 'api.text'],
    ['api.update', 'api.delete', 'api.unknown-id', 'api.get', 'api.wrong-id'],
  ],
  [
    'one task answers for all',
    [['SELECT * FROM tasks WHERE id = $1', 'SELECT * FROM tasks WHERE $1::int > 0 ORDER BY id']],
    ['api.get'],
  ],
];

const right: Variant[] = [
  [
    'only the three statuses of the course',
    [
      [
        "  if (method === 'PUT') {",
        [
          "  const known = ['pending', 'in_progress', 'completed', undefined];",
          "  if (!known.includes(data.status)) return [400, { error: 'Invalid status' }];",
          "  if (method === 'PUT') {",
        ].join('\n'),
      ],
    ],
    [],
  ],
  ['pages of two, oldest first', [[list, "SELECT * FROM tasks ORDER BY id LIMIT 2'"]], []],
  [
    'a rate limit',
    [
      [
        'async function handle(',
        'let left = 30;\nsetInterval(() => (left = 30), 1000);\nasync function handle(',
      ],
      [
        start,
        `${start}  if ((left -= 1) < 0) return response.writeHead(429, { 'Retry-After': 1 }).end();\n`,
      ],
    ],
    [],
  ],
  [
    'a rate limit that answers like limit_req of nginx',
    [
      [
        'async function handle(',
        'let left = 30;\nsetInterval(() => (left = 30), 1000);\nasync function handle(',
      ],
      [start, `${start}  if ((left -= 1) < 0) return response.writeHead(503).end('${limited}');\n`],
    ],
    [],
  ],
];

describe.skipIf(inject('notRunBecause'))('the API of a student', () => {
  const course = BootedCourse.forTests();

  const changed = async (edits: Edit[]) => {
    for (const edit of edits) course.edit('api/server.js', ...edit);
    await course.restartApi();
  };

  it.each([...wrong, ...right])('%s', async (_what, edits, failed, notRun = []) => {
    await changed(edits);
    const rows = await course.tasks();
    expect(differences(await course.check({ only: ['api'] }), failed, notRun)).toEqual([]);
    expect(await course.tasks()).toBe(rows);
  });

  it('a task that cannot be read alone fails only where the README promises it', async () => {
    await changed([["if (method === 'GET') {", "if (method === 'HEAD') {"]]);
    const only = ['api.get'];
    const { results } = await course.check({ only });
    expect(results[0]).toMatchObject({ outcome: 'skipped' });
    const readme = course.read('README.md');
    onTestFinished(() => course.write('README.md', readme));
    course.write('README.md', `${readme}\n    GET /api/tasks/<id>\n`);
    expect(differences(await course.check({ only }), only)).toEqual([]);
  });

  it('answers that take 1.5 s cost time, not points', async () => {
    await changed([[start, `${start}  await new Promise((done) => setTimeout(done, 1500));\n`]]);
    const report = await course.check({ only: ['health.healthz', 'api.create', 'api.update'] });
    expect(differences(report, [])).toEqual([]);
    expect(report.ms).toBeGreaterThan(30_000);
  });

  it('its table refuses other statuses, and its socket wants a password', async () => {
    await changed([]);
    const check = "CHECK (status IN ('pending', 'in_progress', 'completed'))";
    await course.sql(`ALTER TABLE tasks ADD CONSTRAINT known ${check}`);
    onTestFinished(async () => {
      await course.sql('ALTER TABLE tasks DROP CONSTRAINT known');
    });
    await course.editHba("sed '/^local/s/trust/scram-sha-256/'");
    expect(differences(await course.check({ only: ['api', 'database'] }), [])).toEqual([]);
  });

  it('its tasks are there twice', async () => {
    onTestFinished(async () => {
      await course.sql('DELETE FROM tasks WHERE id > 2');
    });
    await course.sql('INSERT INTO tasks (title, created_at) SELECT title, created_at FROM tasks');
    const report = await course.check({ only: ['database'] });
    expect(differences(report, ['database.seed'])).toEqual([]);
  });

  it('a row without a title is not left behind', async () => {
    const refusal = `if (!data.title) return [400, { error: "Missing 'title' in request body" }];`;
    await changed([[refusal, '']]);
    await course.sql('ALTER TABLE tasks ALTER title DROP NOT NULL');
    onTestFinished(async () => {
      await course.sql('ALTER TABLE tasks ALTER title SET NOT NULL');
    });
    const rows = await course.tasks();
    const report = await course.check({ only: ['api.missing-title'] });
    expect(differences(report, ['api.missing-title'])).toEqual([]);
    expect(await course.tasks()).toBe(rows);
  });

  it('a table of another name is the one cause of all that follows from it', async () => {
    await course.sql('ALTER TABLE tasks RENAME TO todo');
    onTestFinished(async () => {
      await course.sql('ALTER TABLE todo RENAME TO tasks');
      const states = () => course.compose('ps');
      await vi.waitUntil(async () => !(await states()).includes('unhealthy'), { timeout: 30_000 });
    });
    const { results } = await course.check({ only: ['api', 'database'] });
    const blocked = results.filter(({ reason }) => reason.startsWith('blocked by'));
    expect(blocked.length).toBeGreaterThan(5);
    expect(new Set(blocked.map(({ reason }) => reason))).toEqual(
      new Set(['blocked by database.table']),
    );
    expect(results.filter(({ outcome }) => outcome === 'not run')).toEqual([]);
  });

  const dump = 'docker compose exec -T db pg_dump -U taskapp';
  it.each([
    ['plain SQL, compressed', `${dump} taskdb | gzip > backups/tasks.sql.gz`, /^$/],
    ['the custom format', `${dump} -Fc taskdb > backups/tasks`, /^$/],
    ['the whole server', `${dump.replace('pg_dump', 'pg_dumpall')} > backups/all.sql`, /^$/],
    [
      'a terminal, which cron does not have',
      `docker exec -it $(docker compose ps -q db) pg_dump -U taskapp taskdb | gzip > backups/x.gz`,
      /x\.gz is empty/,
    ],
    [
      'the wrong database',
      `${dump} tasks > backups/tasks.sql`,
      /backup\.sh ends with 1: .*"tasks"/,
    ],
    ['no rows', `${dump} -s taskdb > backups/tasks.sql`, /tasks\.sql restores 0 rows/],
    ['no file', `${dump} taskdb > /dev/null`, /leaves no dump/],
  ])('its backup script: %s', async (_what, line, fault) => {
    course.write('backup.sh', `#!/bin/sh\nmkdir -p backups\n${line}\n`);
    onTestFinished(() => rmSync(join(course.directory, 'backup.sh')));
    const only = ['operations.backup-script'];
    const selection = { only, destructive: true };
    const { results } = await course.check(selection, { mayRunScripts: true });
    const { seen = [], reason } = results[0] ?? {};
    expect([seen.join(), reason]).toEqual([expect.stringMatching(fault), '']);
  });

  const steps = `mkdir -p backups\n${dump} taskdb > backups/tasks.sql\n`;
  it.each([
    ['of another name is run', 'ops/nightly-dump', `#!/bin/sh\n${steps}`, 'passed'],
    ['that also starts the stack is not', 'dump.sh', `${steps}$COMPOSE \\\n  up -d\n`, 'skipped'],
    ['that restores is not', 'restore-backup.sh', steps, 'skipped'],
    ['in a comment is not', 'backup.sh', '# pg_dump comes later\n', 'skipped'],
    ['in a document is not', 'docs/backup.md', `# Backup\n${steps}`, 'skipped'],
  ])('its script with pg_dump %s', async (_what, file, text, outcome) => {
    const path = join(course.directory, file);
    mkdirSync(dirname(path), { recursive: true });
    course.write(file, text);
    onTestFinished(() => rmSync(path));
    const selection = { only: ['operations.backup-script'], destructive: true };
    const { results } = await course.check(selection, { mayRunScripts: true });
    expect(results).toMatchObject([{ outcome, seen: [] }]);
  });

  it('its stack runs under another name than its directory', async () => {
    const env = { COMPOSE_PROJECT_NAME: undefined };
    const project = new Project({ directory: course.directory, env });
    const report = await verify(project, { only: ['health.running', 'network'] });
    expect(differences(report, [])).toEqual([]);
    expect(report.notes).toEqual([expect.stringContaining(`-p ${course.name} `)]);
  });

  it('a terminal that is closed ends the run, and leaves nothing behind', async () => {
    await changed([]);
    const rows = await course.tasks();
    const args = [join(root, 'tools/verify/main.ts'), '--dir', course.directory, '-p', course.name];
    const child = spawn(process.execPath, [...args, '--only', 'health.can-fail,api']);
    onTestFinished(() => void child.kill('SIGKILL'));
    child.stdout.destroy();
    await vi.waitFor(async () => expect(await course.tasks()).not.toBe(rows), { timeout: 30_000 });
    child.kill('SIGHUP');
    expect(await once(child, 'exit')).toEqual([1, null]);
    expect(await course.tasks()).toBe(rows);
  });

  it('an env_file does not keep it from being stopped, unless it has changed', async () => {
    course.write('api/api.env', 'GREETING=hello\n');
    course.editService('api', '    environment:', '    env_file: api/api.env\n    environment:');
    await course.compose('up', '-d', '--wait');
    const project = () => new Project({ directory: course.directory, name: course.name });
    await mayBeStopped(project());
    course.write('api/api.env', 'GREETING=goodbye\n');
    await expect(mayBeStopped(project())).rejects.toThrow(/-api-1.* was started from other files/);
    rmSync(join(course.directory, 'api/api.env'));
    await expect(mayBeStopped(project())).rejects.toThrow('api.env');
  });
});
