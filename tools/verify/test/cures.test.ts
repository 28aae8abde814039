// The cures that the checks print, pasted into a Flask project of the course that needs them.
import { execFileSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { checks } from '../checks/all.ts';
import { Course } from './course.ts';
import { differences, idsOf } from './expected.ts';

const cureOf = (id: string): string => {
  const cure = checks.find((check) => check.id === id)?.fix;
  if (cure === undefined) throw new Error(`there is no check ${id}`);
  return cure;
};
const indented = (spaces: number, text: string) => text.replaceAll(/^(?=.)/gm, ' '.repeat(spaces));

const app = 'api/app.py';
const schema = 'db/init/01_schema.sql';
const post = '@app.post("/api/tasks")\ndef create_task():\n';
const put = '@app.put("/api/tasks/<int:task_id>")\ndef update_task(task_id):\n';
const remove = '@app.delete("/api/tasks/<int:task_id>")\ndef delete_task(task_id):\n';

/** What goes wrong: plain cursors, no commit, a request that is not looked at, no query. */
const broken = [
  '@app.get("/healthz")\ndef healthz():\n    return jsonify(status="healthy")\n',
  `${post}    cur = get_db_connection().cursor()
    cur.execute("INSERT INTO tasks (title) VALUES (%s) RETURNING *", (request.json["title"],))
    return jsonify(task=cur.fetchone()), 201\n`,
  `${put}    cur = get_db_connection().cursor()
    cur.execute("UPDATE tasks SET status = %s WHERE id = %s", (request.json["status"], task_id))
    return jsonify(message="updated")\n`,
  `${remove}    cur = get_db_connection().cursor()
    cur.execute("DELETE FROM tasks WHERE id = %s", (task_id,))
    return jsonify(message="deleted")\n`,
].join('\n\n');

/** As `query`, where a connection gives plain rows. */
const rows = `def rows(sql):
    with get_db_connection() as conn:
        cur = conn.cursor(cursor_factory=psycopg2.extras.RealDictCursor)
        cur.execute(sql)
        return cur.fetchall()\n\n\n`;

const cured = () =>
  [
    cureOf('health.healthz'),
    [
      post,
      indented(4, cureOf('api.not-json')),
      '    data = request.get_json()',
      indented(4, cureOf('api.missing-title')),
      indented(4, cureOf('api.create')),
    ].join('\n'),
    cureOf('api.get'),
    `${put}    data = request.get_json()\n${indented(4, cureOf('api.update'))}`,
    `${remove}${indented(4, cureOf('api.delete'))}`,
  ].join('\n\n\n');

describe.skipIf(inject('notRunBecause'))('the cures, pasted into the Flask project', () => {
  const course = new Course('flask');
  let whole = '';

  /** Lays other routes over those of the project. */
  const writeRoutes = (routes: string) => {
    const parts = whole.split(/^(?=@app\.|if __name__)/m);
    const isLaidOver = (part: string) => /^@app\.(?:get\("\/healthz"|post|put|delete)/.test(part);
    const [head = '', ...others] = parts.filter((part) => !isLaidOver(part));
    const plain = head.replace(/^ *cursor_factory=.*\n/m, '');
    const list = others.join('').replace('query("SELECT * FROM', 'rows("SELECT * FROM');
    course.write(app, `${plain}${rows}${routes}\n\n\n${list}`);
  };

  beforeAll(async () => {
    whole = course.read(app);
    course.write(
      'compose.yml',
      course.read('compose.yml').replaceAll('interval: 10s', 'interval: 2s'),
    );
    await course.compose('build');
  });
  afterAll(() => course.remove());

  it('a project without .env', async () => {
    course.write('.env.example', course.read('.env')); // with the images and ports of this test
    rmSync(join(course.directory, '.env'));
    const only = ['compose.model', 'compose.variables'];
    const report = await course.check({ only });
    expect(differences(report, ['compose.model'], ['compose.variables'])).toEqual([]);
    const [command = ''] = /^cp .*$/m.exec(cureOf('compose.model')) ?? [];
    execFileSync('sh', ['-c', command], { cwd: course.directory });
    expect(differences(await course.check({ only }), [])).toEqual([]);
  });

  it('a table without a column, which a start alone does not change', async () => {
    const only = ['database.table'];
    course.write(schema, course.read(schema).replace(/,\n\s*created_at .*/, ''));
    await course.compose('up', '-d', '--wait');
    expect(differences(await course.check({ only }), only)).toEqual([]);
    const cure = cureOf('database.table');
    course.write(schema, cure);
    for (const [, command = ''] of cure.matchAll(/docker compose ((?:down|up)[\w -]*)/g))
      await course.compose(...command.trim().split(/\s+/));
    await course.compose('up', '-d', '--wait');
    expect(differences(await course.check({ only }), [])).toEqual([]);
  });

  it('routes that use what psycopg2 gives, and a health check that cannot fail', async () => {
    const only = ['health', 'api', 'database.stored'];
    const destructive = true;
    writeRoutes(broken);
    const restart = async () => {
      await course.compose('restart', '--timeout', '1', 'api');
      await course.compose('up', '-d', '--wait');
      await course.reloadNginx();
    };
    await restart();
    const some = ['health.database-down', 'api.create', 'api.missing-title', 'api.not-json'];
    const report = await course.check({ only: some, destructive });
    expect(idsOf(report, 'failed')).toEqual(some);

    writeRoutes(cured());
    const test = /^test:\n(?: {2}- .*\n?)+/m.exec(cureOf('health.can-fail'))?.[0] ?? '';
    course.edit(
      'compose.yml',
      '      test: ["CMD", "curl", "-f", "http://localhost:8080/healthz"]\n',
      indented(6, test).replace(/\n*$/, '\n'),
    );
    await course.compose('up', '-d', '--wait');
    await restart();
    expect(differences(await course.check({ only, destructive }), [])).toEqual([]);
  }, 600_000);
});
