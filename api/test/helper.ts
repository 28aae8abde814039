import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { pino } from 'pino';
import supertest from 'supertest';
import { expect, inject, onTestFinished } from 'vitest';
import { type AppOptions, createApp } from '../src/app.ts';
import { readConfig } from '../src/config.ts';
import { type Db, openDb } from '../src/db.ts';
import { TcpProxy } from '../../test/lib/tcp-proxy.ts';
import { observed } from './conformance.ts';

export interface Task {
  id: number;
  title: string;
  status: string;
  created_at: string;
}

export const silent = pino({ level: 'silent' });

const server = () => {
  const found = inject('servers')[Number(process.env.VITEST_POOL_ID) - 1];
  if (!found) throw new Error('this worker has no PostgreSQL');
  return found;
};
/** The environment of an API on the PostgreSQL of this worker. */
export const environment = () => server().database;
/** The same with the login of the owner. */
export const ownerEnvironment = () => server().owner;

/** A pool on the test database, closed after the test. `overrides` replaces variables. */
export function database(overrides: Record<string, string> = {}): Db {
  const db = openDb(readConfig({ ...environment(), ...overrides }), silent);
  onTestFinished(() => db.close());
  return db;
}

/** A file with this content, removed after the test. */
export function secretFile(content: string): string {
  const directory = mkdtempSync(join(tmpdir(), 'taskapp-secret-'));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const file = join(directory, 'secret');
  writeFileSync(file, content);
  return file;
}

// One statement is one transaction: it holds its lock while it sleeps.
const lockAndSleep = `
  WITH locked AS (UPDATE tasks SET status = 'locked' WHERE id = $1 RETURNING id)
  SELECT pg_sleep($2) FROM locked`;

/** Sets a task's status to `locked`, and keeps its row locked for so many seconds. */
export const lockFor = (db: Db, id: number, seconds: number): Promise<unknown> =>
  db.write({ name: '', text: lockAndSleep, values: [id, seconds] });

/** How many connections of all kinds are in use. */
export function inUse(db: Db): number {
  return Object.values(db.connections()).reduce((sum, { open, idle }) => sum + open - idle, 0);
}

/** A connection of the owner, without the API's limits of time. */
export async function owner(name = ownerEnvironment().DB_NAME): Promise<pg.Client> {
  const { DB_HOST: host, DB_PORT: port, DB_USER: user, DB_PASS: password } = ownerEnvironment();
  const client = new pg.Client({ host, port: Number(port), database: name, user, password });
  await client.connect();
  onTestFinished(() => client.end());
  return client;
}

/** The SQL of a file of db/init. */
export const initFile = (name: string) =>
  readFileSync(join(import.meta.dirname, '../../db/init', name), 'utf8');

/** A new database without rows: as the API sees it, and a connection of its owner. */
export async function ownDatabase(
  schema = initFile('01_schema.sql'),
): Promise<{ db: Db; owner: pg.Client; name: string }> {
  const name = `own_${crypto.randomUUID().replaceAll('-', '')}`;
  await (await owner()).query(`CREATE DATABASE ${name}`);
  const admin = await owner(name);
  await admin.query(schema);
  return { db: database({ ...ownerEnvironment(), DB_NAME: name }), owner: admin, name };
}

/** A supertest client of the API. The test fails if an answer breaks the OpenAPI document. */
export function api(options: Partial<AppOptions> = {}): ReturnType<typeof supertest> {
  const faults: string[] = [];
  onTestFinished(() => expect(faults).toEqual([]));
  return supertest(
    observed(
      createApp({ db: options.db ?? database(), log: silent, version: '1.2.3', ...options }),
      faults,
    ),
  );
}

/** Text that no other test uses. */
export const unique = (prefix: string) => `${prefix} ${crypto.randomUUID()}`;

export async function createTask(
  client: ReturnType<typeof api>,
  task: Partial<Task> = {},
): Promise<Task> {
  const response = await client
    .post('/api/tasks')
    .send({ title: unique('task'), ...task })
    .expect(201);
  return (response.body as { task: Task }).task;
}

/** A proxy in front of the test database, and the environment that uses it. */
export async function faultyNetwork(): Promise<{ env: Record<string, string>; proxy: TcpProxy }> {
  const { DB_HOST = '', DB_PORT } = environment();
  const proxy = await TcpProxy.listen({ host: DB_HOST, port: Number(DB_PORT) });
  onTestFinished(() => proxy.close());
  return { env: { DB_HOST: proxy.address.host, DB_PORT: String(proxy.address.port) }, proxy };
}
