// The servers that the benchmark compares with the API, except for the one on Bun. Runs in the API's
// production image, instead of dist/server.js.
//   node variant.ts ceiling       bare Express: no middleware, no log, constant bytes
//   node variant.ts plain         the API with a statement for each request
//   node variant.ts fastify       Fastify and pg, as small as such a server can be
//   node variant.ts fastify-log   the same with Fastify's logger
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import express from 'express';
import type { FastifyInstance } from 'fastify';
import pg from 'pg';
import { pino } from 'pino';
import type * as App from '../../api/src/app.ts';
import type * as Config from '../../api/src/config.ts';
import type * as Database from '../../api/src/db.ts';
import type * as Store from '../../api/src/tasks/store.ts';
import { insert, selectOne, selectPage } from './sql.ts';

const variant = process.argv[2];
const dist = '/app/api/dist';
const timeouts = { keepAliveTimeout: 75_000, headersTimeout: 80_000, requestTimeout: 90_000 };

const taskType = {
  type: 'object',
  properties: {
    id: { type: 'integer' },
    title: { type: 'string' },
    status: { type: 'string' },
    created_at: { type: 'string' },
  },
} as const;
const listed = { type: 'object', properties: { tasks: { type: 'array', items: taskType } } };
const listSchema = { response: { 200: listed } };
const taskSchema = { response: { '2xx': { type: 'object', properties: { task: taskType } } } };
const createSchema = {
  ...taskSchema,
  body: {
    type: 'object',
    required: ['title'],
    properties: { title: { type: 'string', minLength: 1, maxLength: 255 } },
  },
};

switch (variant) {
  case 'ceiling':
    startCeiling();
    break;
  case 'plain':
    await startPlain();
    break;
  default:
    await startFastify(variant === 'fastify-log');
}

/** Answers with bytes of the size that the API's answers have. */
function startCeiling(): void {
  const task = (id: number) => ({
    id,
    title: `task ${id}`,
    status: 'pending',
    created_at: '2025-01-01T00:00:00.123456+00:00',
  });
  const tasks = Array.from({ length: 50 }, (_, n) => task(n + 1));
  const page = Buffer.from(JSON.stringify({ tasks }));
  const one = Buffer.from(JSON.stringify({ task: task(1) }));
  const send = (status: number, bytes: Buffer): express.RequestHandler => {
    const headers = { 'Content-Type': 'application/json', 'Content-Length': bytes.length };
    return (_req, res) => void res.writeHead(status, headers).end(bytes);
  };
  const app = express();
  app.get('/api/tasks', send(200, page));
  app.get('/api/tasks/:id', send(200, one));
  app.post('/api/tasks', send(201, one));
  app.get('/healthz', send(200, Buffer.from('{"status":"healthy"}')));
  createServer(timeouts, app).listen(8080);
}

async function startPlain(): Promise<void> {
  const { createApp } = (await import(`${dist}/app.js`)) as typeof App;
  const { readConfig } = (await import(`${dist}/config.js`)) as typeof Config;
  const { openDb } = (await import(`${dist}/db.js`)) as typeof Database;
  const { openTaskStore } = (await import(`${dist}/tasks/store.js`)) as typeof Store;

  const config = readConfig(process.env);
  const log = pino({ level: config.LOG_LEVEL, base: null });
  const db = openDb(config, log);
  const store = openTaskStore(db);
  const { API_TOKEN: apiTokens, HOSTNAME: replica } = config;
  const app = createApp({ db, store, log, apiTokens, replica, version: 'bench' });
  createServer(timeouts, app).listen(8080);
}

async function startFastify(logger: boolean): Promise<void> {
  const { default: fastify } = await import('fastify');
  const app = fastify({ logger, keepAliveTimeout: 75_000 });
  addRoutes(app, openPool());
  await app.listen({ host: '0.0.0.0', port: 8080 });
}

function openPool(): pg.Pool {
  const {
    DB_HOST: host,
    DB_NAME: database,
    DB_USER: user,
    DB_PASS_FILE: passwordFile = '',
  } = process.env;
  const password = readFileSync(passwordFile, 'utf8');
  return new pg.Pool({ host, database, user, password, max: 10 });
}

function addRoutes(app: FastifyInstance, pool: pg.Pool): void {
  app.get('/healthz', async () => {
    await pool.query('SELECT id FROM tasks LIMIT 1');
    return { status: 'healthy' };
  });

  app.get('/api/tasks', { schema: listSchema }, async () => {
    const { rows } = await pool.query({ name: 'list', text: selectPage });
    return { tasks: rows };
  });

  const one = { schema: taskSchema };
  app.get<{ Params: { id: string } }>('/api/tasks/:id', one, async ({ params }, reply) => {
    const { rows } = await pool.query({ name: 'get', text: selectOne, values: [params.id] });
    return rows[0] ? { task: rows[0] as object } : reply.code(404).send({ error: 'Not found' });
  });

  const create = { schema: createSchema };
  app.post<{ Body: { title: string } }>('/api/tasks', create, async ({ body }, reply) => {
    const { rows } = await pool.query({ name: 'create', text: insert, values: [body.title] });
    return reply.code(201).send({ task: rows[0] as object });
  });
}
