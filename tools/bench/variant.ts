// The servers that the benchmark compares. Runs in the API's production image, instead of
// dist/server.js.
//   node variant.ts shared    the API as it is
//   node variant.ts plain     the same, with a statement for each request
//   node variant.ts ceiling   the same, with a constant instead of the database
//   node variant.ts fastify   Fastify and pg, as small as such a server can be
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { FastifyInstance } from 'fastify';
import pg from 'pg';
import { pino } from 'pino';
import type * as App from '../../api/src/app.ts';
import type * as Config from '../../api/src/config.ts';
import type * as Database from '../../api/src/db.ts';
import type * as Store from '../../api/src/tasks/store.ts';

const variant = process.argv[2];
const dist = '/app/api/dist';
const timeouts = { keepAliveTimeout: 75_000, headersTimeout: 80_000, requestTimeout: 90_000 };

const selectPage = `
  SELECT id, title, status, created_at FROM tasks
  ORDER BY created_at DESC, -id DESC
  LIMIT 100`;
const selectOne = 'SELECT id, title, status, created_at FROM tasks WHERE id = $1';
const insert = 'INSERT INTO tasks (title) VALUES ($1) RETURNING id, title, status, created_at';

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

if (variant === 'fastify') await startFastify();
else await startExpress(variant ?? '');

async function startExpress(name: string): Promise<void> {
  const { createApp } = (await import(`${dist}/app.js`)) as typeof App;
  const { readConfig } = (await import(`${dist}/config.js`)) as typeof Config;
  const { openDb } = (await import(`${dist}/db.js`)) as typeof Database;
  const { openTaskStore } = (await import(`${dist}/tasks/store.js`)) as typeof Store;

  const config = readConfig(process.env);
  const log = pino({ base: null, formatters: { level: (level) => ({ level }) } });
  const db = openDb(config, log);
  const plain = openTaskStore(db);
  const store = name === 'ceiling' ? await constantStore(plain) : plain;
  const app = createApp({ db, log, version: 'bench', ...(name !== 'shared' && { store }) });
  createServer(timeouts, app).listen(8080);
}

/** A store that always answers with the same rows, which it got from the database once. */
async function constantStore(store: Store.TaskStore): Promise<Store.TaskStore> {
  const tasks = Array.from({ length: 45 }, (_, n) => ({ title: `task ${n}`, status: 'pending' }));
  const [created] = (await Promise.all(tasks.map((task) => store.create(task)))) as [
    Awaited<ReturnType<typeof store.create>>,
  ];
  const page = await store.list({ limit: 100 }); // 50 tasks, with the 5 of the seed
  return {
    ...store,
    list: async () => page,
    get: async () => created.json,
    create: async () => created,
  };
}

async function startFastify(): Promise<void> {
  const { default: fastify } = await import('fastify');
  const app = fastify({ logger: true, keepAliveTimeout: 75_000 });
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
