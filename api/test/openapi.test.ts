import fc from 'fast-check';
import type { Express } from 'express';
import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import { createApp } from '../src/app.ts';
import { document, validator } from './conformance.ts';
import { api, createTask, database, unique } from './helper.ts';

interface Layer {
  route?: { path: string; methods: Record<string, boolean> };
  handle: { stack?: Layer[] };
}

/** Each route of an application, as `get /api/tasks/{id}`. */
function routesOf(layers: Layer[]): string[] {
  return layers.flatMap(({ route, handle }) =>
    route
      ? Object.keys(route.methods)
          .filter((method) => method !== '_all') // answers 405
          .map((method) => `${method} ${route.path.replaceAll(/:(\w+)/g, '{$1}')}`)
      : routesOf(handle.stack ?? []),
  );
}

describe('GET /api/openapi.json', () => {
  it('is OpenAPI 3.1, with the version of the API', async () => {
    const response = await api()
      .get('/api/openapi.json')
      .expect(200)
      .expect('Content-Type', /^application\/json/);
    expect(response.body).toMatchObject({
      openapi: '3.1.1',
      info: { title: 'Task API', version: '1.2.3' },
      security: [],
    });
    expect(response.body).toEqual(JSON.parse(JSON.stringify(document)));
  });

  it('has every route of the application, and no other', () => {
    const app = createApp({
      db: database(),
      log: pino({ level: 'silent' }),
      version: '1',
      apiTokens: ['x'.repeat(16)],
    });
    const { stack } = (app as Express & { router: { stack: Layer[] } }).router;
    const documented = Object.entries(document.paths).flatMap(([path, operations]) =>
      Object.keys(operations).map((method) => `${method} ${path}`),
    );
    const isViewerFile = (route: string) => route.startsWith('get /api/docs/');
    const routes = routesOf(stack).filter((route) => !isViewerFile(route));
    expect(routes).toContain('delete /api/tasks/{id}');
    expect(routes.toSorted()).toEqual(documented.toSorted());
  });

  it('says which failures changed nothing, and asks for a retry after those only', () => {
    type Described = Record<string, { description: string; headers: object }>;
    const { responses } = document.components as { responses: Described };
    for (const operations of [document.paths['/api/tasks'], document.paths['/api/tasks/{id}']]) {
      for (const operation of Object.values(operations ?? {})) {
        const of = (status: number) => {
          const { $ref = '' } = (operation.responses[status] ?? {}) as { $ref?: string };
          const { description = '', headers = {} } = responses[$ref.split('/').at(-1) ?? ''] ?? {};
          return [/nothing was changed/i.test(description), Object.keys(headers)];
        };
        expect([502, 503, 504].map(of)).toEqual([
          [true, ['Retry-After']],
          [true, ['Retry-After']],
          [false, []],
        ]);
      }
    }
  });

  it('says of each body whether the API takes it', async () => {
    const client = api();
    const { id } = await createTask(client);
    const text = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 60 }),
      fc.integer({ min: 0, max: 300 }).map((n) => '🙂'.repeat(n)),
    );
    // JSON Schema cannot say which characters PostgreSQL refuses, or that outer spaces are trimmed.
    const plain = text.filter(
      (value) => value.trim() === value && !value.includes('\0') && value.isWellFormed(),
    );
    const value = fc.oneof(
      { weight: 4, arbitrary: plain },
      fc.jsonValue().filter((other) => typeof other !== 'string'),
    );
    const body = fc.oneof(
      {
        weight: 9,
        arbitrary: fc.record({ title: value, status: value, other: value }, { requiredKeys: [] }),
      },
      fc.jsonValue(),
    );
    await fc.assert(
      fc.asyncProperty(body, async (input) => {
        const send = async (method: 'post' | 'patch', path: string) =>
          (await client[method](path).type('json').send(JSON.stringify(input))).status < 300;
        expect(await send('post', '/api/tasks')).toBe(
          validator('components', 'schemas', 'NewTask')(input),
        );
        expect(await send('patch', `/api/tasks/${id}`)).toBe(
          validator('components', 'schemas', 'TaskChange')(input),
        );
      }),
      { numRuns: 200 },
    );
  });

  it('says of each parameter whether the API takes it', async () => {
    const client = api();
    const [list] = Object.values(document.paths['/api/tasks'] ?? {});
    const parameters = list?.parameters as { $ref: string }[];
    const names = parameters.map(({ $ref }) => $ref.split('/').at(-1));
    expect(names).toEqual(['limit', 'status', 'q', 'cursor']);
    const taken = async (name: string, value: string) =>
      (await client.get('/api/tasks').query({ [name]: value })).status === 200;
    const says = (name: string) => validator('components', 'parameters', name, 'schema');
    for (const limit of [0, 1, 500, 501])
      expect([limit, await taken('limit', String(limit))]).toEqual([limit, says('limit')(limit)]);
    for (const n of [0, 1, 50, 51, 255, 256]) {
      for (const name of ['status', 'q'])
        expect([name, n, await taken(name, '🙂'.repeat(n))]).toEqual([
          name,
          n,
          says(name)('🙂'.repeat(n)),
        ]);
    }
  });

  it('is open to all and says so where the rest of /api asks for a token', async () => {
    const client = api({ apiTokens: [unique('token')] });
    const { body } = await client.get('/api/openapi.json').expect(200);
    const { security, paths } = body as typeof document & { security: object[] };
    expect(security).toEqual([{ token: [] }]);
    for (const [path, operations] of Object.entries(paths)) {
      for (const [method, operation] of Object.entries(operations)) {
        const { status } = await client[method as 'get'](path.replace('{id}', '1'));
        expect([path, method, status === 401]).toEqual([
          path,
          method,
          operation.security === undefined,
        ]);
      }
    }
  });
});

describe('GET /api/docs', () => {
  it('loads only what this server has, under a policy without unsafe-inline', async () => {
    const client = api({ apiTokens: [unique('token')] });
    const { headers, text } = await client
      .get('/api/docs')
      .expect(200)
      .expect('Content-Type', /^text\/html/);
    expect(headers['content-security-policy']).toMatch(
      /^default-src 'none'; script-src 'self'; style-src 'self';/,
    );
    expect(headers['content-security-policy']).not.toContain('unsafe');
    const loaded = [...text.matchAll(/(?:src|href)="([^"]+)"/g)]
      .map(([, url = '']) => url)
      .filter((url) => url !== 'data:,');
    expect(loaded).toHaveLength(3);
    for (const url of loaded)
      await client
        .get(url)
        .expect(200)
        .expect('Content-Type', url.endsWith('.css') ? /^text\/css/ : /^text\/javascript/);
    expect(text).not.toMatch(/<script>|style=|onload/);
  });

  it('lets the browser keep the viewer, and serves nothing else of its package', async () => {
    const client = api();
    const { headers } = await client.get('/api/docs/swagger-ui-bundle.js').expect(200);
    await client
      .get('/api/docs/swagger-ui-bundle.js')
      .set('If-Modified-Since', headers['last-modified'] ?? '')
      .expect(304);
    for (const file of [
      'index.html',
      'package.json',
      'swagger-ui-bundle.js.map',
      '..%2Fexpress%2Fpackage.json',
    ]) {
      await client.get(`/api/docs/${file}`).expect(404);
    }
  });
});
