// APIs and tables that students write, each running: unusual and right, or wrong and disguised.
import { describe, expect, inject, it, onTestFinished } from 'vitest';
import { BootedCourse } from '../../test/booted/booted-course.ts';
import { differences, idsOf } from '../../test/expected.ts';

const server = 'api/server.js';
const guard = 'if (id && !/^\\d+$/.test(id))';
const deleteOne = 'DELETE FROM tasks WHERE id = $1 RETURNING id';
const updateOne =
  'UPDATE tasks SET title = COALESCE($2, title), status = COALESCE($3, status) WHERE id = $1';
const list = 'SELECT * FROM tasks ORDER BY id';
const one = "'SELECT * FROM tasks WHERE id = $1'";

type Edit = [from: string, to: string];

interface Variant {
  what: string;
  edits?: Edit[];
  /** Done to the database before the API is started, and undone afterwards. */
  sql?: [change: string, undo: string];
  /** What must fail. Without it, everything must pass. */
  failed?: string[];
  /** What that keeps from looking. */
  notRun?: string[];
}

const right: Variant[] = [
  {
    what: 'updates by PATCH alone, and deletions that only mark a task',
    sql: [
      'ALTER TABLE tasks ADD gone boolean NOT NULL DEFAULT false',
      'ALTER TABLE tasks DROP gone',
    ],
    edits: [
      ["method === 'POST' || method === 'PUT'", "method === 'POST' || method === 'PATCH'"],
      ["if (method === 'PUT')", "if (method === 'PATCH')"],
      ["return [405, { error: 'Method not allowed' }]", "return [404, { error: 'Not found' }]"],
      [list, 'SELECT id, title, status, created_at FROM tasks WHERE NOT gone ORDER BY id'],
      [deleteOne, 'UPDATE tasks SET gone = true WHERE id = $1 AND NOT gone RETURNING id'],
      ['[200, { message: `Task ${id} deleted` }]', '[204]'],
    ],
  },
  {
    what: 'its own ways to answer: a bare task, 404 for a word, 415, 422, and errors with details',
    edits: [
      [
        'return task ? [200, { task }] : missing(id);\n  }\n\n',
        'return task ? [200, task] : missing(id);\n  }\n\n',
      ],
      ['[, api, tasks, id] = path', '[, api, tasks, word] = path'],
      ["if (path === '/')", "const id = word && parseInt(word, 10);\n  if (path === '/')"],
      ["if (method === 'GET' && !id)", "if (method === 'GET' && !word)"],
      [`${guard} return [400,`, 'if (word && Number.isNaN(id)) return [404,'],
      ["if (!type.includes('json')) return [400,", "if (!type.includes('json')) return [415,"],
      [
        '[400, { error: "Missing \'title\' in request body" }]',
        "[422, { error: { title: ['is required'] } }]",
      ],
      [
        "tasks !== 'tasks') return [404, { error: 'Not found' }]",
        "tasks !== 'tasks') return [404]",
      ],
      ["{ application: 'Task API' }", "'Welcome to nginx, Node and PostgreSQL'"],
    ],
  },
  {
    what: 'a cache, JSON in ASCII, and a table with more columns in a schema of its own',
    sql: [
      `CREATE SCHEMA app; ALTER TABLE tasks SET SCHEMA app;
       ALTER TABLE app.tasks ADD due date, ADD words tsvector
         GENERATED ALWAYS AS (to_tsvector('simple', title)) STORED;
       ALTER ROLE taskapp SET search_path = app`,
      `ALTER ROLE taskapp RESET search_path;
       ALTER TABLE app.tasks DROP due, DROP words;
       ALTER TABLE app.tasks SET SCHEMA public; DROP SCHEMA app`,
    ],
    edits: [
      ['const missing =', 'let cache;\nconst missing ='],
      [`await query('${list}')`, `(cache ??= await query('${list}'))`],
      ['let data = {};', 'let data = {};\n  cache = undefined;'],
      [
        'response.end(JSON.stringify(body))',
        [
          'const escape = (c) => `\\\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`;',
          '  response.end(JSON.stringify(body).replace(/[\\u0080-\\uffff]/g, escape))',
        ].join('\n'),
      ],
    ],
  },
  {
    what: 'a key that is no primary key, and a CHECK that wants a title',
    sql: [
      `ALTER TABLE tasks DROP CONSTRAINT tasks_pkey, ADD CONSTRAINT own UNIQUE (id) INCLUDE (title),
         ALTER title DROP NOT NULL,
         ADD CONSTRAINT titled CHECK (title IS NOT NULL AND title <> '')`,
      `ALTER TABLE tasks DROP CONSTRAINT own, ADD PRIMARY KEY (id),
         ALTER title SET NOT NULL, DROP CONSTRAINT titled`,
    ],
  },
  {
    what: 'PUT that wants the whole task, PATCH that answers 204, and a title that is checked',
    sql: [
      `ALTER TABLE tasks ALTER title SET DEFAULT '', ADD CONSTRAINT titled CHECK (title <> '')`,
      'ALTER TABLE tasks ALTER title DROP DEFAULT, DROP CONSTRAINT titled',
    ],
    edits: [
      ["method === 'POST' || method === 'PUT'", "['POST', 'PUT', 'PATCH'].includes(method)"],
      [
        "if (method === 'PUT') {",
        [
          "if (method === 'PUT' && !(data.title && data.status))",
          "    return [422, { error: 'Send the whole task' }];",
          "  if (method === 'PUT' || method === 'PATCH') {",
        ].join('\n'),
      ],
      [
        "return task ? [200, { task }] : missing(id);\n  }\n  if (method === 'DELETE')",
        "return task ? [204] : missing(id);\n  }\n  if (method === 'DELETE')",
      ],
    ],
  },
  {
    what: 'deletions that a table of their own remembers',
    sql: ['CREATE TABLE gone (id int PRIMARY KEY)', 'DROP TABLE gone'],
    edits: [
      [list, 'SELECT * FROM tasks WHERE id NOT IN (SELECT id FROM gone) ORDER BY id'],
      [one, "'SELECT * FROM tasks WHERE id = $1 AND id NOT IN (SELECT id FROM gone)'"],
      [
        deleteOne,
        'INSERT INTO gone SELECT id FROM tasks WHERE id = $1 ON CONFLICT DO NOTHING RETURNING id',
      ],
    ],
  },
  {
    what: 'tasks of the student that have the same title, or that of a seed',
    sql: [
      `INSERT INTO tasks (title, created_at)
       VALUES ('Buy milk', now()), ('Buy milk', now()), ('Learn Docker Compose', now())`,
      'DELETE FROM tasks WHERE id > 2',
    ],
  },
];

const wrong: Variant[] = [
  {
    what: 'an update that pastes the title into the statement',
    edits: [
      [
        `'${updateOne} RETURNING *'`,
        [
          '`UPDATE tasks',
          "SET title = COALESCE(${data.title ? `'${data.title}'` : 'NULL'}, title),",
          'status = COALESCE($3, status)',
          'WHERE id = $1 AND ($2::text IS NULL OR true) RETURNING *`',
        ].join('\n'),
      ],
    ],
    failed: ['api.update'],
  },
  {
    what: 'an empty page at /',
    edits: [["[200, { application: 'Task API' }]", '[200]']],
    failed: ['api.index'],
  },
  {
    what: 'a deletion that takes all later tasks along',
    edits: [[deleteOne, 'DELETE FROM tasks WHERE id >= $1 RETURNING id']],
    failed: ['api.delete'],
  },
  {
    what: 'an id that becomes a part of DELETE alone, if it begins with a digit',
    edits: [
      [guard, "if (id && !(method === 'DELETE' ? /^\\d/ : /^\\d+$/).test(id))"],
      [
        `'${deleteOne}'`,
        "`DELETE FROM tasks WHERE $1 <> '' AND (id = ${decodeURIComponent(id)}) RETURNING id`",
      ],
    ],
    failed: ['api.wrong-id'],
  },
  {
    what: 'an id that becomes a part of SELECT alone, if it begins with a digit',
    edits: [
      [guard, "if (id && !(method === 'GET' ? /^\\d/ : /^\\d+$/).test(id))"],
      [one, "`SELECT * FROM tasks WHERE $1 <> '' AND (id = ${decodeURIComponent(id)})`"],
    ],
    failed: ['api.wrong-id'],
  },
  {
    what: 'an update that makes the task which is missing',
    edits: [
      [
        `'${updateOne} RETURNING *'`,
        [
          "`INSERT INTO tasks (id, title, status) VALUES ($1, COALESCE($2, ''), COALESCE($3, ''))",
          'ON CONFLICT (id) DO UPDATE SET title = COALESCE($2, tasks.title),',
          'status = COALESCE($3, tasks.status) RETURNING *`',
        ].join('\n'),
      ],
    ],
    failed: ['api.unknown-id'],
  },
  {
    what: 'a redirect to / from each path that does not exist',
    edits: [
      ["tasks !== 'tasks') return [404,", "tasks !== 'tasks') return [302,"],
      ["{ 'Content-Type'", "{ Location: '/', 'Content-Type'"],
    ],
    failed: ['api.unknown-path'],
  },
  {
    what: 'a column of another name, which the API hides',
    sql: [
      'ALTER TABLE tasks RENAME created_at TO "createdAt"',
      'ALTER TABLE tasks RENAME "createdAt" TO created_at',
    ],
    edits: [[list, 'SELECT id, title, status, "createdAt" AS created_at FROM tasks ORDER BY id']],
    failed: ['database.table'],
    notRun: ['database.seed'],
  },
  {
    what: 'a key over two columns, and a title by default',
    sql: [
      `ALTER TABLE tasks DROP CONSTRAINT tasks_pkey, ADD PRIMARY KEY (id, created_at),
         ALTER title SET DEFAULT 'New task'`,
      `ALTER TABLE tasks DROP CONSTRAINT tasks_pkey, ADD PRIMARY KEY (id),
         ALTER title DROP DEFAULT`,
    ],
    failed: ['database.constraints'],
  },
  {
    what: 'an index that is unique among some tasks only',
    sql: [
      `ALTER TABLE tasks DROP CONSTRAINT tasks_pkey;
       CREATE UNIQUE INDEX own ON tasks (id) WHERE status = 'pending'`,
      'DROP INDEX own; ALTER TABLE tasks ADD PRIMARY KEY (id)',
    ],
    failed: ['database.constraints'],
  },
  {
    what: 'seeds that a restart has added again, hours later',
    sql: [
      `INSERT INTO tasks (title, created_at)
       SELECT title, created_at + interval '3 hours' FROM tasks WHERE id <= 2`,
      'DELETE FROM tasks WHERE id > 2',
    ],
    failed: ['database.seed'],
  },
];

describe.skipIf(inject('notRunBecause'))('the API and the table of a student', () => {
  const course = BootedCourse.forTests();

  const changed = async ({ edits = [], sql }: Variant) => {
    if (sql) {
      onTestFinished(async () => {
        await course.sql(sql[1]);
      });
      await course.sql(sql[0]);
    }
    for (const edit of edits) course.edit(server, ...edit);
    await course.restartApi();
  };

  it.each([...right, ...wrong])('$what', async (variant) => {
    await changed(variant);
    const rows = await course.tasks();
    const { failed = [], notRun = [], edits = [] } = variant;
    const only = edits.length > 0 ? ['api', 'database'] : ['database'];
    expect(differences(await course.check({ only }), failed, notRun)).toEqual([]);
    expect(await course.tasks()).toBe(rows);
  });

  it('what refers to a task is gone with it, and put back', async () => {
    const tables = ['comments', 'votes', 'pinned', 'tagged', 'log', 'users', 'sessions'];
    onTestFinished(async () => {
      await course.sql(`
        DROP TABLE ${tables.join()} CASCADE;
        DROP FUNCTION counted, touched CASCADE;
        ALTER TABLE tasks DROP parent, DROP owner, DROP n, DROP touched_at`);
    });
    await course.sql(`
      ALTER TABLE tasks ADD parent int REFERENCES tasks ON DELETE SET NULL;
      UPDATE tasks SET parent = 2 WHERE id = 1;
      CREATE TABLE comments (
        id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        task int NOT NULL REFERENCES tasks ON DELETE CASCADE,
        text text,
        "Length" int GENERATED ALWAYS AS (length(text)) STORED);
      CREATE TABLE votes (comment int REFERENCES comments ON DELETE CASCADE, at timestamptz);
      CREATE TABLE pinned (place int PRIMARY KEY, task int REFERENCES tasks ON DELETE SET NULL);
      CREATE TABLE tagged (
        task int REFERENCES tasks ON DELETE CASCADE, tag text,
        n int GENERATED ALWAYS AS IDENTITY, PRIMARY KEY (task, tag));
      CREATE TABLE log ("Task" int REFERENCES tasks ON DELETE SET NULL, t timestamptz);
      CREATE TABLE users (id int PRIMARY KEY, task int REFERENCES tasks ON DELETE SET NULL);
      CREATE TABLE sessions (usr int REFERENCES users ON DELETE CASCADE, key int);
      INSERT INTO comments (task, text) SELECT id, 'It''s \\ "hers"' || E'\n' FROM tasks;
      INSERT INTO votes SELECT id, now() FROM comments;
      INSERT INTO pinned VALUES (1, 2);
      INSERT INTO tagged SELECT id, 'home' FROM tasks;
      INSERT INTO log SELECT id, now() FROM tasks UNION ALL SELECT NULL, 'yesterday';
      INSERT INTO users VALUES (1, 2);
      INSERT INTO sessions VALUES (1, 7);
      ALTER TABLE tasks ADD owner int REFERENCES users, ADD n int DEFAULT 1, ADD touched_at text;
      UPDATE tasks SET owner = 1, touched_at = 'before';
      CREATE FUNCTION counted() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        UPDATE tasks SET n = n + 1 WHERE id = NEW.task; RETURN NULL; END $$;
      CREATE TRIGGER counted AFTER INSERT ON comments FOR EACH ROW EXECUTE FUNCTION counted();
      CREATE FUNCTION touched() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        NEW.touched_at := now(); RETURN NEW; END $$;
      CREATE TRIGGER touched BEFORE UPDATE ON tasks FOR EACH ROW EXECUTE FUNCTION touched()`);
    const state = () =>
      Promise.all(['tasks', ...tables].map((name) => course.sql(`TABLE ${name} ORDER BY 1, 2`)));
    const before = await state();
    course.edit(server, deleteOne, 'DELETE FROM tasks WHERE $1::int > 0 RETURNING id');
    await course.restartApi();
    const report = await course.check({ only: ['api.delete'] });
    expect(differences(report, ['api.delete'])).toEqual([]);
    expect(await state()).toEqual(before);
  });

  const word = `if (id === 'word') process.exit(1);\n  ${guard}`;
  const untitled = 'if (!data.title) return';
  const remove = "if (method === 'DELETE') {";
  it.each([
    ['a word as id', guard, word, 'api.wrong-id', ['api', 'database']],
    ['a word as id, and no check before', guard, word, 'api.wrong-id'],
    ['no title', untitled, `if (!data.title) process.exit(1);\n${untitled}`, 'api.missing-title'],
    ['DELETE', remove, `${remove} process.exit(1);`, 'api.delete'],
  ])(
    '%s ends a process that nothing starts again',
    async (_what, from, to, failed, only = [failed]) => {
      course.editService('api', '    restart: unless-stopped\n', '');
      onTestFinished(async () => {
        course.writePristine();
        await course.up();
      });
      course.edit(server, from, to);
      await course.up();
      const rows = await course.tasks();
      expect(differences(await course.check({ only }), [failed])).toEqual([]);
      expect(await course.tasks()).toBe(rows);
    },
  );

  describe('its logins', () => {
    const withLogin = async (create: string, name: string) => {
      await course.sql(`CREATE ROLE ${name} ${create}`);
      onTestFinished(async () => {
        await course.sql(`DROP ROLE ${name}`);
      });
    };

    it.each([
      ['the owner is refused, with a password or without', 'taskapp', 'reject', []],
      ['a login beside the owner needs no password', 'reader', 'trust', ['database.password']],
      ['the same, and may not use this database', 'reader', 'trust', ['database.password']],
    ])('%s', async (what, login, method, failed) => {
      await withLogin('LOGIN', 'reader');
      if (what.includes('may not use')) {
        onTestFinished(async () => {
          await course.sql('GRANT CONNECT ON DATABASE taskdb TO PUBLIC');
        });
        await course.sql('REVOKE CONNECT ON DATABASE taskdb FROM PUBLIC');
      }
      await course.editHba(`(echo "host all ${login} all ${method}"; cat)`);
      const report = await course.check({ only: ['database.password'] });
      expect(differences(report, failed)).toEqual([]);
    });

    it('a group without login has the password of the example', async () => {
      course.edit('.env.example', 'PASSWORD=change-me', 'PASSWORD=of-the-example');
      await withLogin("NOLOGIN PASSWORD 'of-the-example'", 'readers');
      const only = ['database.published-passwords'];
      const production = { files: ['compose.yml', 'compose.prod.yml'] };
      expect(idsOf(await course.check({ only }, production), 'passed')).toEqual(only);
    });
  });
});
