// The init files as CloudNativePG runs them: each as one message, as a superuser who does not own
// the database. Then the migrations as the owner, who is no superuser. On the embedded PostgreSQL,
// so that it needs neither an operator nor an engine.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../../local/embedded.ts';
import { migrate } from '../../local/migrate.ts';
import { root } from '../lib/copy.ts';
import { memoryDirectory } from '../lib/memory.ts';
import { read } from './compose.ts';

const directory = mkdtempSync(join(memoryDirectory(), 'taskapp-test-'));
let server: EmbeddedPostgres;
let settings: pg.ClientConfig;

/** Runs SQL files as one login. */
async function asLogin(login: pg.ClientConfig, ...texts: string[]): Promise<pg.QueryResult[]> {
  const client = new pg.Client({ ...settings, ...login });
  await client.connect();
  try {
    const results = [];
    for (const text of texts) results.push(await client.query(text));
    return results;
  } finally {
    await client.end();
  }
}

const operator = { user: 'operator', password: 'x', database: 'cluster' };
const owner = { user: 'cluster_owner', password: 'o', database: 'cluster' };
const api = { user: 'cluster_api', password: 'y', database: 'cluster' };

/** What docs/kubernetes.md makes the ConfigMap db-roles from. */
function rolesSql(): string {
  const text = read('docs/kubernetes.md').replaceAll(/\\\n\s*/g, '');
  const [, command] = /^\s*DB_USER=\S+ (bash \S+04_roles\.sh[^|]*)\|/m.exec(text) ?? [];
  if (command === undefined) throw new Error('docs/kubernetes.md has no such command');
  const env = { ...process.env, DB_USER: api.user };
  return execFileSync('sh', ['-c', command], { cwd: root, env }).toString();
}

beforeAll(async () => {
  server = await startEmbeddedPostgres(directory);
  const { DB_HOST: host, DB_PORT: port } = server.env;
  settings = { host, port: Number(port) };
  const { DB_USER: user, DB_PASS: password } = server.owner;
  await asLogin(
    { user, password, database: 'postgres' },
    `CREATE ROLE operator SUPERUSER LOGIN PASSWORD 'x'`,
    `CREATE ROLE cluster_owner LOGIN PASSWORD 'o'`,
    'CREATE DATABASE cluster OWNER cluster_owner',
  );
  const files = ['01_schema.sql', '02_indexes.sql', '03_seed_data.sql'];
  await asLogin(
    operator,
    ...files.map((file) => read(`db/init/${file}`)),
    rolesSql(),
    read('deploy/kubernetes/database/operator-logins.sql'),
    read('deploy/kubernetes/database/owner.sql'),
    `ALTER ROLE cluster_api PASSWORD 'y'`, // by managed.roles
  );
});

afterAll(async () => {
  await server.stop();
  rmSync(directory, { recursive: true });
});

describe('after the bootstrap of CloudNativePG', () => {
  it('the API can read and write tasks, but nothing else', async () => {
    const [rows, added] = await asLogin(
      api,
      'SELECT title FROM tasks',
      `INSERT INTO tasks (title) VALUES ('x') RETURNING id`,
      'DELETE FROM tasks WHERE id = 6',
      'SELECT key FROM idempotency_keys',
    );
    expect(rows?.rowCount).toBe(5);
    expect(added?.rows).toEqual([{ id: 6 }]);
    await expect(asLogin(api, 'CREATE TABLE own (id int)')).rejects.toThrow('permission denied');
    await expect(asLogin(api, 'DROP TABLE tasks')).rejects.toThrow('must be owner');
  });

  it('the owner, which is no superuser, owns all that the init files have made', async () => {
    const [role, others] = await asLogin(
      owner,
      'SELECT rolsuper FROM pg_roles WHERE rolname = current_user',
      `SELECT relname FROM pg_class
       WHERE relnamespace IN ('public'::regnamespace, 'dbmate'::regnamespace)
       AND relowner <> current_user::regrole
       UNION ALL SELECT nspname FROM pg_namespace
       WHERE nspname = 'dbmate' AND nspowner <> current_user::regrole
       UNION ALL SELECT proname FROM pg_proc
       WHERE pronamespace = 'public'::regnamespace AND proowner <> current_user::regrole
       AND oid NOT IN (SELECT objid FROM pg_depend WHERE deptype = 'e')`,
    );
    expect(role?.rows).toEqual([{ rolsuper: false }]);
    expect(others?.rows).toEqual([]);
  });

  it('the owner also owns a dump of an older version that was restored as postgres', async () => {
    const [, , functions] = await asLogin(
      operator,
      `BEGIN; DROP SCHEMA dbmate CASCADE; DROP TABLE idempotency_keys;
       CREATE TABLE idempotency_keys (key text);
       CREATE FUNCTION hash_idempotency_request() RETURNS trigger LANGUAGE plpgsql
       AS 'BEGIN RETURN NEW; END'`,
      read('deploy/kubernetes/database/owner.sql'),
      `SELECT proowner::regrole::text AS owner FROM pg_proc WHERE proname LIKE 'hash_idem%'
       UNION ALL
       SELECT relowner::regrole::text FROM pg_class WHERE relname = 'idempotency_keys'`,
      'ROLLBACK',
    );
    expect(functions?.rows).toEqual([{ owner: owner.user }, { owner: owner.user }]);
  });

  it('the owner can run all migrations, and the API may use what they create', async () => {
    await asLogin(
      owner,
      'DROP TABLE idempotency_keys',
      'DROP INDEX tasks_newest_first, tasks_status_newest_first, tasks_title_search',
      'DELETE FROM dbmate.schema_migrations',
    );
    const client = new pg.Client({ ...settings, ...owner });
    await client.connect();
    try {
      await migrate(client);
    } finally {
      await client.end();
    }
    const [made, indexes] = await asLogin(
      owner,
      'SELECT version FROM dbmate.schema_migrations',
      `SELECT 'tasks_title_search'::regclass, 'idempotency_keys_created_at'::regclass`,
    );
    expect(made?.rowCount).toBe(readdirSync(join(root, 'db/migrations')).length);
    expect(indexes?.rowCount).toBe(1);
    const [keys] = await asLogin(api, 'SELECT key FROM idempotency_keys');
    expect(keys?.rowCount).toBe(0);
    const tasks = asLogin(api, 'DELETE FROM dbmate.schema_migrations');
    await expect(tasks).rejects.toThrow('permission denied');
  });

  it("the operator's login for metrics can connect to the database", async () => {
    await asLogin(operator, `CREATE ROLE exporter LOGIN PASSWORD 'm' IN ROLE pg_monitor`);
    const login = { user: 'exporter', password: 'm', database: 'cluster' };
    const [one] = await asLogin(login, 'SELECT count(*) FROM pg_stat_replication');
    expect(one?.rowCount).toBe(1);
    await expect(asLogin(login, 'SELECT * FROM tasks')).rejects.toThrow('permission denied');
  });

  it("the operator's other logins can connect to postgres, but to no other database", async () => {
    await asLogin(operator, `CREATE ROLE streaming_replica LOGIN PASSWORD 'z'`);
    const login = { user: 'streaming_replica', password: 'z' };
    const [one] = await asLogin({ ...login, database: 'postgres' }, 'SELECT 1');
    expect(one?.rowCount).toBe(1);
    const elsewhere = asLogin({ ...login, database: 'cluster' }, 'SELECT 1');
    await expect(elsewhere).rejects.toThrow('permission denied for database');
  });
});
