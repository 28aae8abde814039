// The init files as CloudNativePG runs them: each as one message, as a superuser who does not own
// the database. On the embedded PostgreSQL, so that it needs neither an operator nor an engine.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../../local/embedded.ts';
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
  const owner = { user: server.owner.DB_USER, password: server.owner.DB_PASS };
  await asLogin(
    { ...owner, database: 'postgres' },
    `CREATE ROLE operator SUPERUSER LOGIN PASSWORD 'x'`,
    'CREATE ROLE cluster_owner LOGIN',
    'CREATE DATABASE cluster OWNER cluster_owner',
  );
  const files = ['01_schema.sql', '02_indexes.sql', '03_seed_data.sql'];
  await asLogin(
    operator,
    ...files.map((file) => read(`db/init/${file}`)),
    rolesSql(),
    read('deploy/kubernetes/database/operator-logins.sql'),
    `ALTER ROLE cluster_api PASSWORD 'y'`, // by managed.roles
  );
});

afterAll(async () => {
  await server.stop();
  rmSync(directory, { recursive: true });
});

describe('after the bootstrap of CloudNativePG', () => {
  it('the API can read and write tasks, and nothing else', async () => {
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

  it('the API may use tables that the superuser makes later', async () => {
    await asLogin(operator, 'CREATE TABLE later (id int)');
    const [rows] = await asLogin(api, 'SELECT * FROM later');
    expect(rows?.rowCount).toBe(0);
  });

  it("the operator's own logins can connect to postgres, and to no other database", async () => {
    await asLogin(operator, `CREATE ROLE streaming_replica LOGIN PASSWORD 'z'`);
    const login = { user: 'streaming_replica', password: 'z' };
    const [one] = await asLogin({ ...login, database: 'postgres' }, 'SELECT 1');
    expect(one?.rowCount).toBe(1);
    const elsewhere = asLogin({ ...login, database: 'cluster' }, 'SELECT 1');
    await expect(elsewhere).rejects.toThrow('permission denied for database');
  });
});
