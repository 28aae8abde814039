import { setTimeout as sleep } from 'node:timers/promises';
import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import type { Phase } from '../src/shutdown.ts';
import type { Db } from '../src/db.ts';
import { connections, type Kind } from '../src/pool.ts';
import { openTaskStore, type TaskStore } from '../src/tasks/store.ts';
import { api, database, owner, unique } from './helper.ts';

describe('GET /', () => {
  it('describes the API, and says that the answer depends on Accept', async () => {
    const response = await api()
      .get('/')
      .expect(200)
      .expect('Content-Type', /^application\/json/);
    expect(Object.keys(response.body as object)).toEqual(['application', 'version', 'endpoints']);
    expect(response.body).toMatchObject({
      application: 'Task API',
      version: '1.2.3',
      endpoints: expect.arrayContaining([
        'GET /',
        'GET /healthz',
        'GET /api/tasks',
        'DELETE /api/tasks/<id>',
      ]),
    });
    expect(response.headers.vary).toBe('Accept');
  });

  it('lists only endpoints that exist', async () => {
    const { body } = await api().get('/');
    for (const endpoint of (body as { endpoints: string[] }).endpoints) {
      const [method = '', path = ''] = endpoint.replace('<id>', '2147483647').split(' ');
      const response = await api()[method.toLowerCase() as 'get'](path);
      expect([endpoint, response.body]).not.toEqual([endpoint, { error: 'Not found' }]);
      expect([endpoint, response.status]).not.toEqual([endpoint, 405]);
    }
  });
});

describe('GET /healthz', () => {
  it('answers 200 {"status":"healthy"} when the tasks table can be read', async () => {
    const { text } = await api().get('/healthz').expect(200);
    expect(text).toBe('{"status":"healthy"}');
  });

  it('answers 503 when the database cannot be reached', async () => {
    const { body } = await api({ db: database({ DB_PORT: '1' }) })
      .get('/healthz')
      .expect(503);
    expect(body).toEqual({ status: 'unhealthy', reason: 'database unreachable' });
  });

  it('answers 503 when the password is wrong', async () => {
    const { body } = await api({ db: database({ DB_PASS: 'wrong' }) })
      .get('/healthz')
      .expect(503);
    expect(body).toEqual({ status: 'unhealthy', reason: 'database unreachable' });
  });

  it('answers 503 when the server answers but there is no tasks table', async () => {
    const admin = await owner();
    const name = `without_tasks_${Date.now()}`;
    await admin.query(`CREATE DATABASE ${name}`);
    await admin.query(`GRANT CONNECT ON DATABASE ${name} TO taskapp_api`);
    const { body } = await api({ db: database({ DB_NAME: name }) })
      .get('/healthz')
      .expect(503);
    const reason = 'schema is incomplete or older than the code';
    expect(body).toEqual({ status: 'unhealthy', reason });
  });

  it('answers 200 while every connection for the work is in use', async () => {
    const db = database();
    const client = api({ db });
    const sleeps = { name: '', text: 'SELECT pg_sleep(1)', values: [] };
    const kinds = (Object.keys(connections) as Kind[]).filter((kind) => kind !== 'health');
    const asked = kinds.flatMap((kind) => {
      const oneMore = connections[kind] + 1;
      return Array.from({ length: oneMore }, () => ({ ...sleeps, kind }));
    });
    const allWait = Object.fromEntries(kinds.map((kind) => [kind, { idle: 0, waiting: 1 }]));
    const busy = Promise.all(asked.map((statement) => db.read(statement)));
    await expect.poll(() => db.connections()).toMatchObject(allWait);
    await client.get('/healthz').expect(200, { status: 'healthy' });
    expect(db.connections()).toMatchObject(allWait);
    await busy;
  });

  it('answers 503 "database busy" when the database is there and has no time', async () => {
    const admin = await owner();
    const name = `busy_${Date.now()}`;
    await admin.query(`CREATE DATABASE ${name}`);
    await admin.query(`GRANT CONNECT ON DATABASE ${name} TO taskapp_api`);
    const locker = await owner(name);
    await locker.query('CREATE TABLE tasks (id int); GRANT SELECT ON tasks TO taskapp_api');
    await locker.query('BEGIN');
    await locker.query('LOCK TABLE tasks');
    const { body } = await api({ db: database({ DB_NAME: name }) })
      .get('/healthz')
      .expect(503);
    expect(body).toEqual({ status: 'unhealthy', reason: 'database busy' });
  });

  it('answers 503 while the process is about to end, and asks clients to leave', async () => {
    const response = await api({ phase: () => 'draining' })
      .get('/healthz')
      .expect(503);
    expect(response.body).toEqual({ status: 'unhealthy', reason: 'shutting down' });
    expect(response.headers.connection).toBe('close');
  });
});

describe('GET /livez', () => {
  it('answers 200 {"status":"alive"}, also without a database', async () => {
    const { text } = await api({ db: database({ DB_PORT: '1' }) })
      .get('/livez')
      .expect(200);
    expect(text).toBe('{"status":"alive"}');
  });
});

describe('an unknown path', () => {
  it.each([
    '/nope',
    '/api',
    '/api/',
    '/api/task',
    '/api/tasks/',
    '/api/tasks/1/',
    '/api/tasks/1/x',
    '/API/tasks',
    '/healthz/',
    '/.env',
  ])('%s is answered with 404', async (path) => {
    const response = await api()
      .get(path)
      .expect(404)
      .expect('Content-Type', /^application\/json/);
    expect(response.text).toBe('{"error":"Not found"}');
  });
});

describe('an unknown method', () => {
  it.each([
    ['DELETE', '/api/tasks', 'GET, HEAD, POST'],
    ['PUT', '/api/tasks', 'GET, HEAD, POST'],
    ['POST', '/api/tasks/1', 'GET, HEAD, PUT, PATCH, DELETE'],
    ['POST', '/', 'GET, HEAD'],
    ['POST', '/healthz', 'GET, HEAD'],
    ['DELETE', '/livez', 'GET, HEAD'],
  ] as const)('%s %s is answered with 405 and Allow', async (method, path, allow) => {
    const response = await api()[method.toLowerCase() as 'put'](path).expect(405);
    expect(response.headers.allow).toBe(allow);
    expect(response.text).toBe('{"error":"Method not allowed"}');
  });

  it('OPTIONS is answered with what is allowed', async () => {
    const response = await api().options('/api/tasks').expect(204);
    expect(response.headers.allow).toBe('GET, HEAD, POST');
  });

  it('HEAD is answered like GET, without the body', async () => {
    const response = await api().head('/api/tasks?limit=1').expect(200);
    expect(Number(response.headers['content-length'])).toBeGreaterThan(0);
    expect(response.text ?? '').toBe('');
  });
});

describe('X-Request-Id', () => {
  it.each(['a'.repeat(16), 'A-b_9'.repeat(12), crypto.randomUUID()])(
    '%s is taken from the client',
    async (id) => {
      const response = await api().get('/nope').set('X-Request-Id', id);
      expect(response.headers['x-request-id']).toBe(id);
    },
  );

  it.each([
    'short',
    'a'.repeat(65),
    'spaces in the middle',
    'a'.repeat(15) + '"',
    'a'.repeat(15) + 'é',
  ])('%j is replaced', async (id) => {
    const response = await api().get('/nope').set('X-Request-Id', id);
    expect(response.headers['x-request-id']).toMatch(/^[A-Za-z0-9_-]{16,64}$/);
    expect(response.headers['x-request-id']).not.toBe(id);
  });
});

describe('Server-Timing', () => {
  it('tells what the request took, and the database of it', async () => {
    const fast = database();
    const read: Db['read'] = async (statement) => {
      await sleep(50); // milliseconds
      return fast.read(statement);
    };
    const db = { ...fast, read };
    for (const path of ['/api/tasks', '/api/tasks/1']) {
      const { headers } = await api({ db }).get(path).expect(200);
      const [, whole, part] =
        /^api;dur=([\d.]+), db;dur=([\d.]+)$/.exec(headers['server-timing'] ?? '') ?? [];
      expect(Number(part)).toBeGreaterThanOrEqual(49);
      expect(Number(whole)).toBeGreaterThanOrEqual(Number(part));
    }
  });
});

describe('X-Served-By', () => {
  it('names the replica on every answer, and is absent where it has no name', async () => {
    for (const path of ['/api/tasks', '/healthz', '/nope']) {
      expect((await api({ replica: '0123456789ab' }).get(path)).headers['x-served-by']).toBe(
        '0123456789ab',
      );
      expect((await api().get(path)).headers).not.toHaveProperty('x-served-by');
    }
  });
});

describe('the log', () => {
  function logged() {
    const lines: Record<string, unknown>[] = [];
    const log = pino(
      { level: 'trace', base: null },
      { write: (line) => lines.push(JSON.parse(line) as Record<string, unknown>) },
    );
    return { log, lines };
  }
  const [trace, info, error] = [10, 30, 50];

  it('has one line per request', async () => {
    const { log, lines } = logged();
    const id = crypto.randomUUID();
    await api({ log }).get('/api/tasks/1?x=y').set('X-Request-Id', id).expect(200);
    await expect
      .poll(() => lines)
      .toMatchObject([
        {
          level: info,
          request_id: id,
          req: { method: 'GET', url: '/api/tasks/1?x=y' },
          res: { status: 200 },
          duration_ms: expect.any(Number),
          msg: 'request completed',
        },
      ]);
  });

  it('has no error for what a leaving process refuses, but for what fails meanwhile', async () => {
    const { log, lines } = logged();
    let phase: Phase = 'leaving';
    const client = api({ log, phase: () => phase });
    await client.post('/api/tasks').send({ title: 'x' }).expect(502).expect('Connection', 'close');
    await expect.poll(() => lines).toMatchObject([{ level: info, res: { status: 502 } }]);

    phase = 'draining';
    const get = () => {
      phase = 'leaving';
      return Promise.reject(new Error('broken'));
    };
    const store = { ...openTaskStore(database()), get };
    await api({ log, phase: () => phase, store })
      .get('/api/tasks/1')
      .expect(500);
    await expect.poll(() => lines.at(1)).toMatchObject({ level: error, res: { status: 500 } });
  });

  it('tells the cause when the database is away, without a stack', async () => {
    const { log, lines } = logged();
    await api({ log, db: database({ DB_PORT: '1' }) })
      .get('/api/tasks/1')
      .expect(503);
    await expect
      .poll(() => lines.map(({ level, cause, err }) => ({ level, cause, err })))
      .toEqual([
        {
          level: error,
          cause: expect.stringMatching(/^DatabaseUnavailable: .*is the database running\?$/),
          err: undefined,
        },
      ]);
  });

  it('tells the cause of a 500 with its stack', async () => {
    const { log, lines } = logged();
    const store: TaskStore = {
      ...openTaskStore(database()),
      get: () => Promise.reject(new TypeError('unforeseen')),
    };
    await api({ log, store }).get('/api/tasks/1').expect(500);
    await expect
      .poll(() => lines)
      .toMatchObject([
        {
          level: error,
          err: {
            type: 'TypeError',
            message: 'unforeseen',
            stack: expect.stringContaining('app.test'),
          },
        },
      ]);
  });

  it('tells when the client went away before its answer: 499, as the metric has it', async () => {
    const { log, lines } = logged();
    const store: TaskStore = {
      ...openTaskStore(database()),
      get: () => sleep(200) as Promise<undefined>,
    };
    await expect(api({ log, store }).get('/api/tasks/1').timeout(50)).rejects.toThrow('Timeout');
    await expect
      .poll(() => lines)
      .toMatchObject([{ level: info, res: { status: 499 }, msg: 'request aborted' }]);
  });

  it('has probes at level trace only', async () => {
    const { log, lines } = logged();
    await api({ log }).get('/livez').expect(200);
    await api({ log }).get('/healthz').expect(200);
    await expect.poll(() => lines.map(({ level }) => level)).toEqual([trace, trace]);
  });
});

describe('the API token', () => {
  const token = unique('token');

  it('is not asked for when none is set', async () => {
    await api().get('/api/tasks?limit=1').expect(200);
  });

  it('opens /api when it is right', async () => {
    await api({ apiTokens: [token] })
      .get('/api/tasks?limit=1')
      .set('Authorization', `Bearer ${token}`)
      .expect(200);
  });

  it('may be any of several', async () => {
    const client = api({ apiTokens: [unique('new'), token] });
    await client.get('/api/tasks?limit=1').set('Authorization', `Bearer ${token}`).expect(200);
    await client.get('/api/tasks?limit=1').set('Authorization', `Bearer ${token}x`).expect(401);
  });

  it.each([
    undefined,
    'Bearer',
    'Bearer ',
    'Bearer wrong',
    `Basic ${token}`,
    `Bearer ${token}x`,
    token,
  ])('is wrong in %j: 401 with WWW-Authenticate', async (authorization) => {
    const request = api({ apiTokens: [token] })
      .post('/api/tasks')
      .send({ title: 'x' });
    if (authorization !== undefined) void request.set('Authorization', authorization);
    const response = await request.expect(401);
    expect(response.headers['www-authenticate']).toMatch(/^Bearer/);
    expect(response.body).toEqual({ error: 'A valid API token is required' });
  });

  it.each([
    ['/api/docs/nothing', 404],
    ['/api/docsx', 401],
    ['/api/openapi.json5', 401],
    ['/api/nothing', 401],
  ])('is needed for all of /api but its documentation: %s is %i', async (path, status) => {
    await api({ apiTokens: [token] })
      .get(path)
      .expect(status);
  });

  it('is not needed for the health of the service', async () => {
    await api({ apiTokens: [token] })
      .get('/healthz')
      .expect(200);
    await api({ apiTokens: [token] })
      .get('/livez')
      .expect(200);
  });
});
