// Privilege: what a thief of the API's password, or of a shell in a container, cannot do.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { Production } from '../lib/production.ts';
import { docker } from '../lib/stack.ts';
import { measured } from './figures.ts';

const insufficientPrivilege = '42501';
const read = (name: string) => readFileSync(join(import.meta.dirname, name), 'utf8');

/** What only the owner may do. Each must be refused before it changes anything. */
const forbidden = [
  'DROP TABLE tasks',
  'DROP SCHEMA public CASCADE',
  'DROP INDEX tasks_newest_first',
  'DROP EXTENSION pg_trgm CASCADE',
  'DROP DATABASE postgres',
  'DROP ROLE taskapp',
  'TRUNCATE tasks',
  'ALTER TABLE tasks ADD COLUMN x int',
  'ALTER TABLE tasks DISABLE TRIGGER ALL',
  'ALTER TABLE tasks OWNER TO taskapp_api',
  'CREATE TABLE x (y int)',
  'CREATE TABLE x AS SELECT * FROM tasks',
  'CREATE TEMPORARY TABLE x (y int)',
  'CREATE VIEW x AS SELECT * FROM tasks',
  'CREATE INDEX x ON tasks (title)',
  'CREATE SEQUENCE x',
  'CREATE SCHEMA x',
  'CREATE TYPE x AS ENUM ()',
  "CREATE FUNCTION x() RETURNS int LANGUAGE sql AS 'SELECT 1'",
  "CREATE FUNCTION x() RETURNS int LANGUAGE c AS 'libc', 'system'",
  'CREATE TRIGGER x BEFORE INSERT ON tasks EXECUTE FUNCTION suppress_redundant_updates_trigger()',
  'CREATE RULE x AS ON INSERT TO tasks DO INSTEAD NOTHING',
  'CREATE EXTENSION hstore',
  'CREATE DATABASE x',
  'CREATE ROLE x',
  'CREATE PUBLICATION x',
  "COPY tasks TO PROGRAM 'cat >/dev/null'",
  "COPY tasks FROM PROGRAM 'true'",
  "COPY tasks TO '/tmp/x'",
  "COPY tasks (title) FROM '/etc/passwd'",
  "SELECT pg_read_file('/etc/passwd')",
  "SELECT pg_read_binary_file('PG_VERSION')",
  "SELECT pg_ls_dir('.')",
  "SELECT pg_stat_file('PG_VERSION')",
  "SELECT lo_import('/etc/passwd')",
  "SELECT lo_export(1, '/tmp/x')",
  'SELECT * FROM pg_authid',
  'SELECT * FROM pg_shadow',
  'SELECT pg_reload_conf()',
  "SELECT setval('tasks_id_seq', 5)",
  'SET ROLE taskapp',
  'SET ROLE pg_read_server_files',
  'SET SESSION AUTHORIZATION taskapp',
  'SET session_replication_role = replica',
  'ALTER ROLE taskapp_api SUPERUSER',
  'ALTER ROLE taskapp_api CREATEDB',
  "ALTER ROLE taskapp PASSWORD 'x'",
  'GRANT taskapp TO taskapp_api',
  'GRANT pg_execute_server_program TO taskapp_api',
  'ALTER SYSTEM SET fsync = off',
  'ALTER DATABASE taskdb SET work_mem = 64',
  'ALTER DEFAULT PRIVILEGES FOR ROLE taskapp GRANT ALL ON TABLES TO taskapp_api',
];

describe.skipIf(inject('notRunBecause'))('privilege', () => {
  let stack: Production;
  let dbAddress: string;
  const clients: pg.Client[] = [];

  beforeAll(async () => {
    stack = new Production();
    await stack.up();
    dbAddress = await stack.address('db', 'backend');
  });
  afterAll(async () => {
    await Promise.all(clients.map((client) => client.end()));
    await stack.remove();
  });

  /** A connection with the password of a secret, to the container's own address. */
  async function login(user: 'taskapp_api' | 'taskapp', database = 'taskdb'): Promise<pg.Client> {
    const secret = user === 'taskapp' ? 'postgres_password' : 'db_pass';
    const password = readFileSync(join(stack.secrets, secret), 'utf8');
    const client = new pg.Client({
      host: dbAddress,
      user,
      password,
      database,
      connectionTimeoutMillis: 5_000,
    });
    await client.connect();
    clients.push(client);
    return client;
  }

  /** The SQLSTATE that a statement is refused with; undefined if it is done. */
  const refusal = async (client: pg.Client, statement: string): Promise<string | undefined> => {
    try {
      await client.query(statement);
    } catch (error) {
      if (error instanceof pg.DatabaseError) return error.code;
      throw error;
    }
  };

  const everything = () => stack.sql(read('everything.sql'));

  it("refuses the API's login everything but its rows, and nothing changes", async () => {
    const before = await everything();
    expect(before).toMatch(/^5\|/);
    const api = await login('taskapp_api');
    const refusals: Record<string, string | undefined> = {};
    for (const statement of forbidden) refusals[statement] = await refusal(api, statement);
    expect(refusals).toEqual(
      Object.fromEntries(forbidden.map((statement) => [statement, insufficientPrivilege])),
    );
    expect(await everything()).toBe(before);
    measured(`${forbidden.length} statements refused`);
  });

  it('lets the owner run all those statements, so they are valid', async () => {
    const owner = await login('taskapp');
    const before = await everything();
    const refused: string[] = [];
    for (const statement of forbidden) {
      await owner.query('BEGIN');
      const code = await refusal(owner, statement);
      if (code === insufficientPrivilege || code === '42601') refused.push(statement);
      await owner.query('ROLLBACK');
    }
    expect(refused).toEqual([]);
    expect(await everything()).toBe(before);
  });

  it("lets the API's login change rows in its own database, and connect to no other", async () => {
    const api = await login('taskapp_api');
    const { rows } = await api.query<{ id: number }>(
      "INSERT INTO tasks (title) VALUES ('privilege') RETURNING id",
    );
    expect(
      (await api.query("UPDATE tasks SET status = 'done' WHERE id = $1", [rows[0]?.id])).rowCount,
    ).toBe(1);
    expect((await api.query('SELECT FROM tasks WHERE id = $1', [rows[0]?.id])).rowCount).toBe(1);
    expect((await api.query('DELETE FROM tasks WHERE id = $1', [rows[0]?.id])).rowCount).toBe(1);
    for (const other of ['postgres', 'template1'])
      await expect(login('taskapp_api', other)).rejects.toMatchObject({
        code: insufficientPrivilege,
      });
    // Not even the owner may.
    await expect(login('taskapp_api', 'template0')).rejects.toMatchObject({ code: '55000' });
  });

  /** What a TCP connection from the network of a container meets, whatever tools that has. */
  async function connection(
    from: 'web' | 'api' | 'db',
    host: string,
    port: number,
  ): Promise<string> {
    const { Id } = await stack.inspect(from);
    const image = `${stack.project}-api:${stack.env.TAG}`;
    const program = ['node', '-e', read('connect.cjs'), host, String(port)];
    return (await docker('run', '--rm', '--network', `container:${Id}`, image, ...program)).trim();
  }

  it('lets only the API reach the database, even by address', async () => {
    const [apiFront, apiBack] = [
      await stack.address('api', 'frontend'),
      await stack.address('api', 'backend'),
    ];
    const [control, web, sameProbe, backend, byName] = await Promise.all([
      connection('api', dbAddress, 5432),
      connection('web', dbAddress, 5432),
      connection('web', apiFront, 8080),
      connection('web', apiBack, 8080),
      connection('web', 'db', 5432),
    ]);
    expect({ control, sameProbe }).toEqual({ control: 'connected', sameProbe: 'connected' });
    expect({ web, backend }).toEqual({ web: 'no answer', backend: 'no answer' });
    expect(byName).toMatch(/^(ENOTFOUND|EAI_AGAIN)$/);
  });

  it('gives the backend network no route to the outside', async () => {
    const outside = '192.0.2.1'; // reserved for documentation: routed, but nothing answers there
    const [out, toFrontend, control, inside] = await Promise.all([
      connection('db', outside, 443),
      connection('db', await stack.address('web', 'frontend'), 443),
      connection('web', outside, 443),
      connection('db', await stack.address('api', 'backend'), 8080),
    ]);
    expect({ out, toFrontend, inside }).toEqual({
      out: 'ENETUNREACH',
      toFrontend: 'ENETUNREACH',
      inside: 'connected',
    });
    expect(control).not.toBe('ENETUNREACH');
  });
});
