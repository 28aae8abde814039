import { type Check, snippet } from '../check.ts';
import { runBeside, runningContainer } from '../containers.ts';
import { NotApplicable, NotPossible } from '../errors.ts';
import { isProduction } from '../compose.ts';
import { databaseOwner, reachedFrom, sql, sqlRows } from '../postgres.ts';
import type { Project } from '../project.ts';
import { publishedLogins } from '../published.ts';
import { isOfTasks } from '../table.ts';
import { newTask, remove } from '../tasks.ts';

const selectColumns = `
  SELECT column_name, is_nullable
  FROM information_schema.columns
  WHERE ${isOfTasks}`;

/** The columns of tasks, each with YES if it may be NULL; none without the table. */
export function columnsOf(project: Project): Promise<Map<string, string>> {
  return project.once('columns', async () => {
    const rows = await sqlRows(project, selectColumns);
    return new Map(rows.map(([name = '', isNullable = '']) => [name, isNullable]));
  });
}

const table: Check = {
  id: 'database.table',
  title: 'The table tasks exists, with id, title, status and created_at',
  chapter: 'Database operations',
  points: 2,
  why: 'It shows that the init files have run, and the commands of the lab need these columns.',
  fix: snippet`
    -- db/init/01_schema.sql; runs on an empty volume only
    CREATE TABLE tasks (
      id SERIAL PRIMARY KEY,
      title VARCHAR(255) NOT NULL,
      status VARCHAR(50) NOT NULL DEFAULT 'pending',
      created_at TIMESTAMPTZ NOT NULL DEFAULT now()
    );
    -- then: docker compose down -v (this deletes all tasks), and docker compose up -d
  `,
  async run(project) {
    const columns = await columnsOf(project);
    if (columns.size === 0) return ['there is no table tasks'];
    const missing = ['id', 'title', 'status', 'created_at'].filter((name) => !columns.has(name));
    return missing.map((name) => `tasks has no column ${name}`);
  },
};

const countKeysOnId = `
  SELECT count(*)
  FROM pg_index i
  JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
  WHERE i.indrelid = 'tasks'::regclass AND a.attname = 'id'
    AND i.indisunique AND i.indisvalid AND i.indnkeyatts = 1 AND i.indpred IS NULL`;

const defaultOfTitle = `
  SELECT column_default FROM information_schema.columns
  WHERE ${isOfTasks} AND column_name = 'title' AND column_default IS NOT NULL`;

const withoutTitle = `
  BEGIN;
  UPDATE tasks SET title = NULL WHERE id = (SELECT min(id) FROM tasks);
  ROLLBACK;`;

/** A rule of the table may be a CHECK or a trigger as well: it is tried, and not kept. */
const rejectsNull = (project: Project): Promise<boolean> =>
  sql(project, withoutTitle).then(
    () => false,
    () => true,
  );

const constraints: Check = {
  id: 'database.constraints',
  title: 'The table itself rejects a task without a title, and a duplicate id',
  chapter: 'Database operations',
  points: 1,
  why: 'Programs change and people use psql: rules that must always hold belong in the table.',
  fix: snippet`
    -- in the init file, for the next empty volume:
    id SERIAL PRIMARY KEY,
    title VARCHAR(255) NOT NULL,
    -- in the database that runs (without ADD PRIMARY KEY, if it has one):
    ALTER TABLE tasks ALTER title SET NOT NULL, ADD PRIMARY KEY (id);
  `,
  async run(project) {
    const columns = await columnsOf(project);
    const missing = ['id', 'title'].find((name) => !columns.has(name));
    if (missing !== undefined) throw new NotPossible(`tasks has no column ${missing}`);
    const keys = await sql(project, countKeysOnId);
    const faults: string[] = [];
    if (columns.get('title') !== 'NO' && !(await rejectsNull(project)))
      faults.push('title may be NULL');
    const byDefault = await sql(project, defaultOfTitle);
    if (byDefault !== '') faults.push(`a task without a title gets ${byDefault}`);
    if (keys === '0') faults.push('id is neither the primary key nor unique');
    return faults;
  },
};

const stored: Check = {
  id: 'database.stored',
  title: 'A task that the API has created is a row of the table',
  chapter: 'Composing the app',
  points: 3,
  why: 'What an API keeps in memory, or in a file of its container, is gone with the next release.',
  fix: snippet`
    # after each INSERT, UPDATE and DELETE
    conn.commit()
  `,
  async run(project) {
    const task = await newTask(project, 'stored');
    const countRows = `
      SELECT count(*) FROM tasks WHERE id = ${task.id} AND title = '${task.title}'`;
    const rows = await sql(project, countRows);
    await remove(project, task);
    return rows === '1'
      ? []
      : [`the list has task ${task.id}, but the table has ${rows} rows of it`];
  },
};

const password: Check = {
  id: 'database.password',
  title: 'PostgreSQL asks for a password over the network',
  chapter: 'Hardening',
  points: 2,
  why: 'Otherwise everything that reaches the network of the database can do anything to it.',
  fix: snippet`
    environment:
      POSTGRES_PASSWORD: \${POSTGRES_PASSWORD:?}
    # and trust neither in POSTGRES_HOST_AUTH_METHOD nor in pg_hba.conf
  `,
  async run(project) {
    const api = await runningContainer(project, 'api');
    const { database: name } = await databaseOwner(project);
    const [address] = await reachedFrom(project, 'api');
    if (address === undefined) throw new NotPossible('api cannot reach db');
    const logins = (await sqlRows(project, selectLogins)).map(([login = '']) => login);
    const attempts = logins.map(async (login) => {
      const withoutPassword = ['-w', '-h', address, '-U', login, '-d', name, '-c', 'SELECT 1'];
      const { code, stderr } = await runBeside(project, api, 'psql', ...withoutPassword);
      if (code === 0) return [`${login} was let in from another container without a password`];
      const isRefused = /password|authentication|pg_hba|permission denied/i.test(stderr);
      if (!isRefused) throw new NotPossible(`psql: ${stderr}`);
      return [];
    });
    return (await Promise.all(attempts)).flat();
  },
};

/** Those that can do most come first: each attempt takes a container. */
const selectLogins = `
  SELECT rolname FROM pg_roles WHERE rolcanlogin ORDER BY rolsuper DESC, rolname LIMIT 5`;

const publishedPasswords: Check = {
  id: 'database.published-passwords',
  title: 'No login of production has a password that is published in the repository',
  chapter: 'Hardening',
  points: 3,
  why: 'Everybody can read them. A volume that was created for the lab keeps the lab passwords.',
  fix: 'docker compose exec db psql -U taskapp -d taskdb    # then: \\password LOGIN',
  async run(project) {
    if (!isProduction(project))
      throw new NotApplicable('for production only: name its files with -f');
    return publishedLogins(project);
  },
};

export const database: Check[] = [table, constraints, stored, password, publishedPasswords];
