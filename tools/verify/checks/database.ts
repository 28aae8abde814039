import { type Check, NotApplicable, NotPossible } from '../check.ts';
import type { Project } from '../project.ts';
import { publishedLogins } from '../published.ts';
import { reachedFrom } from '../reach.ts';
import { newTask, remove } from '../tasks.ts';

const columns = (project: Project) =>
  project.once('columns', async () => {
    const rows = await project.sql(
      "SELECT column_name, is_nullable FROM information_schema.columns WHERE table_schema = 'public' AND table_name = 'tasks'",
    );
    return new Map(
      rows
        .split('\n')
        .filter(Boolean)
        .map((row) => row.split('|') as [string, string]),
    );
  });

export const database: Check[] = [
  {
    id: 'database.table',
    title: 'The table tasks exists, with id, title, status and created_at',
    chapter: 'Database operations',
    points: 2,
    why: 'It shows that the init files have run, and the commands of the lab need these columns.',
    fix: "-- db/init/01_schema.sql; runs on an empty volume only\nCREATE TABLE tasks (\n  id SERIAL PRIMARY KEY,\n  title VARCHAR(255) NOT NULL,\n  status VARCHAR(50) NOT NULL DEFAULT 'pending',\n  created_at TIMESTAMPTZ NOT NULL DEFAULT now()\n);",
    run: async (project) => {
      const found = await columns(project);
      if (found.size === 0) return ['there is no table tasks'];
      return ['id', 'title', 'status', 'created_at']
        .filter((name) => !found.has(name))
        .map((name) => `tasks has no column ${name}`);
    },
  },
  {
    id: 'database.constraints',
    title: 'The table itself rejects a task without a title, and a duplicate id',
    chapter: 'Database operations',
    points: 1,
    why: 'Programs change and people use psql: rules that must always hold belong in the table.',
    fix: 'ALTER TABLE tasks ALTER title SET NOT NULL, ADD PRIMARY KEY (id);',
    run: async (project) => {
      const found = await columns(project);
      if (found.size === 0) throw new NotPossible('there is no table tasks');
      const keys = await project.sql(
        "SELECT count(*) FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND i.indkey::text = a.attnum::text WHERE i.indrelid = 'tasks'::regclass AND i.indisunique AND a.attname = 'id'",
      );
      return [
        ...(found.get('title') === 'NO' ? [] : ['title may be NULL']),
        ...(keys === '0' ? ['id is neither primary key nor unique'] : []),
      ];
    },
  },
  {
    id: 'database.stored',
    title: 'A task that the API has created is a row of the table',
    chapter: 'Composing the app',
    points: 3,
    why: 'What an API keeps in memory, or in a file of its container, is gone with the next release.',
    fix: 'Write to the database, and commit:\n    db.commit()',
    run: async (project) => {
      const task = await newTask(project, 'stored');
      const rows = await project.sql(
        `SELECT count(*) FROM tasks WHERE id = ${task.id} AND title = '${task.title}'`,
      );
      await remove(project, task);
      return rows === '1' ? [] : [`the list has task ${task.id}, the table has ${rows} rows of it`];
    },
  },
  {
    id: 'database.password',
    title: 'PostgreSQL asks for a password over the network',
    chapter: 'Hardening',
    points: 2,
    why: 'Otherwise everything that reaches the network of the database can do anything to it.',
    fix: 'environment:\n  POSTGRES_PASSWORD: ${POSTGRES_PASSWORD:?}\n# and trust neither in POSTGRES_HOST_AUTH_METHOD nor in pg_hba.conf',
    run: async (project) => {
      const [api, { user, database: name }] = [
        await project.container('api'),
        await project.databaseOwner(),
      ];
      const [address] = await reachedFrom(project, 'api');
      if (address === undefined) throw new NotPossible('api cannot reach db');
      const { code, stderr } = await project.beside(
        api,
        'psql',
        '-w',
        '-h',
        address,
        '-U',
        user,
        '-d',
        name,
        '-c',
        'SELECT 1',
      );
      if (code === 0) return [`${user} was let in from another container without a password`];
      if (!/password|authentication|pg_hba/i.test(stderr)) throw new NotPossible(`psql: ${stderr}`);
      return [];
    },
  },
  {
    id: 'database.published-passwords',
    title: 'No login of production has a password that is published in the repository',
    chapter: 'Hardening',
    points: 3,
    why: 'Everybody can read them. A volume that was created for the lab keeps the lab passwords.',
    fix: 'docker compose exec db psql -U taskapp -d taskdb    # then: \\password LOGIN',
    run: async (project) => {
      if (!project.isProduction()) throw new NotApplicable('for production only: name its files');
      return publishedLogins(project);
    },
  },
];
