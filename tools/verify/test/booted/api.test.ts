// Each change of the course-like API fails exactly the checks that it should.
import { describe, expect, inject, it } from 'vitest';
import { differences } from '../expected.ts';
import { BootedCourse } from './booted-course.ts';

describe.skipIf(inject('notRunBecause'))('the API of the course-like stack', () => {
  const course = BootedCourse.forTests();

  const only = [
    'health.running',
    'health.healthy',
    'health.answers',
    'health.nginx',
    'health.healthz',
    'api',
    'database.stored',
  ]; // the checks that call the API

  it.each<[what: string, from: string, to: string, failed: string[], notRun?: string[]]>([
    [
      'a list without envelope, as some labs have it',
      "{ tasks: await query('SELECT * FROM tasks ORDER BY id') }",
      "await query('SELECT * FROM tasks ORDER BY id')",
      [],
    ],
    [
      '{"deleted": 3}, as some labs have it',
      '{ message: `Task ${id} deleted` }',
      '{ deleted: Number(id) }',
      [],
    ],
    ['a created task without envelope', '[201, { task }]', '[201, task]', []],
    ['200 for a new task', '[201, { task }]', '[200, { task }]', ['api.create']],
    ['a wrong default', "data.status ?? 'pending'", "data.status ?? 'open'", ['api.create']],
    ['a status that is ignored', "data.status ?? 'pending'", "'pending'", ['api.create']],
    [
      '200 for a missing title',
      '[400, { error: "Missing \'title\' in request body" }]',
      '[200, {}]',
      ['api.missing-title'],
    ],
    [
      'a task without a title is stored',
      'if (!data.title) return [400, { error: "Missing \'title\' in request body" }];',
      "data.title ??= '';",
      ['api.missing-title'],
    ],
    [
      'an error without a reason',
      '[400, { error: "Missing \'title\' in request body" }]',
      '[400, {}]',
      ['api.missing-title'],
    ],
    [
      '200 for what is not JSON',
      "if (!type.includes('json')) return [400, { error: 'Request body must be JSON' }];",
      "if (!type.includes('json')) return [200, {}];",
      ['api.not-json'],
    ],
    [
      '500 for broken JSON',
      "} catch {\n      return [400, { error: 'Request body must be JSON' }];",
      "} catch {\n      return [500, { error: 'Request body must be JSON' }];",
      ['api.not-json'],
    ],
    [
      'an update that forgets the title',
      '[id, data.title, data.status]',
      "[id, data.title ?? '', data.status]",
      ['api.update'],
    ],
    [
      'an update that forgets the status',
      '[id, data.title, data.status]',
      "[id, data.title, data.status ?? 'pending']",
      ['api.update'],
    ],
    [
      'an update that is not stored',
      "return task ? [200, { task }] : missing(id);\n  }\n  if (method === 'DELETE')",
      [
        "await query('UPDATE tasks SET title = left(title, 8) WHERE id = $1', [id]);",
        '    return task ? [200, { task }] : missing(id);',
        '  }',
        "  if (method === 'DELETE')",
      ].join('\n'),
      ['api.update'],
    ],
    [
      'a delete that only says so',
      "'DELETE FROM tasks WHERE id = $1 RETURNING id'",
      "'SELECT id FROM tasks WHERE id = $1'",
      ['api.delete'],
    ],
    [
      '200 for an unknown id',
      '[404, { error: `Task ${id} not found` }]',
      '[200, {}]',
      ['api.unknown-id'],
    ],
    [
      '200 for an unknown path',
      "if (api !== 'api' || tasks !== 'tasks') return [404,",
      "if (api !== 'api' || tasks !== 'tasks') return [200,",
      ['api.unknown-path'],
    ],
    [
      'quotes that are doubled',
      '[data.title, data.status',
      '[data.title.replaceAll("\'", "\'\'"), data.status',
      ['api.text'],
    ],
    [
      'markup that is escaped on the way in',
      '[data.title, data.status',
      "[data.title.replaceAll('<', '&lt;'), data.status",
      ['api.text'],
    ],
    [
      'tasks without a status',
      "query('SELECT * FROM tasks ORDER BY id')",
      "query('SELECT id, title FROM tasks ORDER BY id')",
      ['api.list', 'api.create', 'api.text'],
      ['api.update', 'api.delete', 'api.unknown-id', 'api.get', 'api.wrong-id', 'database.stored'],
    ],
    [
      'a list that hangs',
      "if (method === 'GET' && !id) return",
      [
        "if (method === 'GET' && !id) await new Promise(() => undefined);",
        "  if (method === 'GET' && !id) return",
      ].join('\n'),
      ['api.list'],
      [
        'api.create',
        'api.text',
        'api.update',
        'api.delete',
        'api.missing-title',
        'api.not-json',
        'api.unknown-id',
        'api.get',
        'api.wrong-id',
        'database.stored',
      ],
    ],
    [
      'a health check that is plain text',
      "return [200, { status: 'healthy' }]",
      "return [200, 'fine']",
      ['health.healthz'],
    ],
    [
      'a health check that fails',
      "return [200, { status: 'healthy' }]",
      "return [500, { status: 'healthy' }]",
      ['health.healthy', 'health.healthz'],
    ],
  ])('%s', async (_what, from, to, failed, notRun = []) => {
    const rows = await course.tasks();
    course.edit('api/server.js', from, to);
    await course.restartApi();
    const report = await course.check({ only });
    expect(differences(report, failed, notRun)).toEqual([]);
    expect(await course.tasks()).toBe(rows); // even if the API deletes nothing
  });

  it('tasks that the API keeps in its memory fail exactly that check', async () => {
    course.edit(
      'api/server.js',
      "const [task] = await query('INSERT INTO tasks (title, status) " +
        "VALUES ($1, $2) RETURNING *', [data.title, data.status ?? 'pending']);",
      "const task = { id: 1e6 + memory.length, status: 'pending', ...data };" +
        '\n    memory.push(task);',
    );
    course.edit(
      'api/server.js',
      "tasks: await query('SELECT * FROM tasks ORDER BY id') }",
      "tasks: [...memory, ...(await query('SELECT * FROM tasks'))] }",
    );
    course.edit('api/server.js', 'const missing =', 'const memory = [];\nconst missing =');
    course.edit(
      'api/server.js',
      "if (method === 'PUT') {",
      [
        'const kept = memory.find((one) => one.id === Number(id));',
        "  if (kept && method === 'PUT') return [200, { task: Object.assign(kept, data) }];",
        "  if (kept && method === 'DELETE') {",
        '    memory.splice(memory.indexOf(kept), 1);',
        '    return [200, {}];',
        '  }',
        "  if (method === 'PUT') {",
      ].join('\n'),
    );
    await course.restartApi();
    const report = await course.check({ only: ['health', 'api', 'database'] });
    expect(differences(report, ['database.stored'])).toEqual([]);
  });
});
