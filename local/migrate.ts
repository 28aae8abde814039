// Runs db/migrations without dbmate, whose binary npm does not have for all platforms of
// `npm start`.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';

const db = join(import.meta.dirname, '../db');

/** An SQL file failed. The message says which, and where. */
export class SqlFileError extends Error {
  constructor(file: string, sql: string, error: pg.DatabaseError) {
    const line = sql.slice(0, Number(error.position ?? 0)).split('\n').length;
    const where = error.position === undefined ? '' : ` line ${line}`;
    super(`db/${file}${where}: ${error.message}`);
  }
}

/** Runs the SQL of a file of db/. */
export async function runSql(client: pg.ClientBase, file: string, sql: string): Promise<void> {
  try {
    await client.query(sql);
  } catch (error) {
    throw error instanceof pg.DatabaseError ? new SqlFileError(file, sql, error) : error;
  }
}

/** What db/migrate.sh does: runs the files of db/migrations that the database has not had. */
export async function migrate(client: pg.ClientBase): Promise<void> {
  await runSql(client, 'repair.sql', readFileSync(join(db, 'repair.sql'), 'utf8'));
  await client.query(`
    CREATE SCHEMA IF NOT EXISTS dbmate;
    CREATE TABLE IF NOT EXISTS dbmate.schema_migrations (version VARCHAR PRIMARY KEY)`);
  const { rows } = await client.query<{ version: string }>(
    'SELECT version FROM dbmate.schema_migrations',
  );
  const done = new Set(rows.map(({ version }) => version));
  for (const name of readdirSync(join(db, 'migrations')).toSorted()) {
    const version = /^(\d+).*\.sql$/.exec(name)?.[1];
    if (version === undefined || done.has(version)) continue;
    const file = join('migrations', name);
    const [up = ''] = readFileSync(join(db, file), 'utf8').split(/^-- migrate:down/m);
    const record = `INSERT INTO dbmate.schema_migrations VALUES ('${version}')`;
    if (/^-- migrate:up transaction:false$/m.test(up)) {
      await runSql(client, file, up);
      await client.query(record);
    } else {
      await runSql(client, file, `${up};\n${record}`); // one query is one transaction
    }
  }
}
