// /healthz on a database that is older than the code.
import { Writable } from 'node:stream';
import { pino } from 'pino';
import supertest from 'supertest';
import { expect, it } from 'vitest';
import { createApp } from '../src/app.ts';
import { api, database, environment, initFile, ownDatabase } from './helper.ts';

const outdated = {
  status: 'unhealthy',
  reason: 'schema is incomplete or older than the code',
};

/** A new database with the schema of db/init, which the API may read. */
async function readableDatabase() {
  const { name, owner: sql } = await ownDatabase();
  await sql.query(initFile('02_indexes.sql'));
  const login = environment().DB_USER;
  await sql.query(`
    GRANT CONNECT ON DATABASE ${name} TO ${login};
    GRANT SELECT ON ALL TABLES IN SCHEMA public TO ${login}`);
  return { name, sql };
}

it('/healthz is 503 while a column of db/init is missing, and the log names it', async () => {
  const { name, sql } = await readableDatabase();
  let log = '';
  const write = (chunk: Buffer, _encoding: string, done: () => void) => {
    log += chunk.toString();
    done();
  };
  const logger = pino({ level: 'info' }, new Writable({ write }));
  const app = createApp({ db: database({ DB_NAME: name }), log: logger, version: '1.2.3' });
  const health = () => supertest(app).get('/healthz');
  await health().expect(200);

  const { rows: columns } = await sql.query<{ table: string; column: string }>(`
    SELECT table_name AS table, column_name AS column
    FROM information_schema.columns WHERE table_schema = 'public'`);
  expect(columns).toContainEqual({ table: 'tasks', column: 'title' });
  for (const { table, column } of columns) {
    await sql.query(`ALTER TABLE ${table} RENAME ${column} TO elsewhere`);
    const { status, body } = await health();
    expect([table, column, status]).toEqual([table, column, 503]);
    expect(body).toEqual(outdated);
    expect(log).toContain(
      `SchemaOutdated: column ${table}.${column} does not exist: run docker compose `,
    );
    await sql.query(`ALTER TABLE ${table} RENAME elsewhere TO ${column}`);
    await health().expect(200);
  }
});

it('/healthz is 503 while a table is missing', async () => {
  const { name, sql } = await readableDatabase();
  await sql.query('DROP TABLE idempotency_keys');
  const client = api({ db: database({ DB_NAME: name }) });
  const { body } = await client.get('/healthz').expect(503);
  expect(body).toEqual(outdated);

  const answer = await client.post('/api/tasks').set('Idempotency-Key', 'k').send({ title: 'a' });
  expect(answer.status).toBe(503);
  expect(answer.headers['retry-after']).toBe('1');
});
