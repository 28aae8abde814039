import type { Response } from 'supertest';
import { describe, expect, it } from 'vitest';
import { api, createTask, owner, type Task, unique } from './helper.ts';

interface Page {
  tasks: Task[];
  next_cursor?: string;
}

const wholeNumber = 'must be a whole number from 1 to 2147483647';
const notIds = [
  '0',
  '-1',
  '+1',
  '1.5',
  '1e3',
  '0x10',
  'abc',
  'NaN',
  '٣',
  '2147483648',
  '9007199254740993',
  '1%20',
  '%20',
  '1;2',
];

describe('GET /api/tasks', () => {
  it('lists the five seed tasks in the order of their ids', async () => {
    const client = api();
    const seed = [
      'environment',
      'Learn Docker',
      'Deploy to',
      'Configure automated',
      'architecture documentation',
    ];
    const pages = await Promise.all(seed.map((q) => client.get('/api/tasks').query({ q })));
    const tasks = pages.map(({ body }) => (body as Page).tasks.find(({ id }) => id <= 5));
    expect(tasks.map((task) => task && [task.id, task.title, task.status])).toEqual([
      [1, 'Set up the development environment', 'completed'],
      [2, 'Learn Docker Compose', 'in_progress'],
      [3, 'Deploy to production', 'pending'],
      [4, 'Configure automated backups', 'pending'],
      [5, 'Write architecture documentation', 'pending'],
    ]);
    // They share one created_at, so only their ids order them, and the last page ends with them.
    let next: string | undefined = '/api/tasks?limit=500';
    let last: Task[] = [];
    while (next) {
      const response: Response = await client.get(next).expect(200);
      last = [...last, ...(response.body as Page).tasks].slice(-5);
      next = /<(.+)>; rel="next"/.exec(response.headers.link ?? '')?.[1];
    }
    expect(last.map(({ id }) => id)).toEqual([1, 2, 3, 4, 5]);
    expect(new Set(last.map(({ created_at }) => created_at)).size).toBe(1);
  });

  it('puts a new task first: keys in documented order, time in UTC with microseconds', async () => {
    const client = api();
    const status = unique('s');
    const first = await createTask(client, { status });
    const second = await createTask(client, { status });
    const response = await client
      .get('/api/tasks')
      .query({ status })
      .expect(200)
      .expect('Content-Type', /^application\/json/);
    expect(response.text).toBe(`{"tasks":[${JSON.stringify(second)},${JSON.stringify(first)}]}`);
    expect(Object.keys(first)).toEqual(['id', 'title', 'status', 'created_at']);
    expect(first.created_at).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00$/);
    expect(Math.abs(Date.parse(first.created_at) - Date.now())).toBeLessThan(60_000);
  });

  it('returns at most 100 tasks unless a limit is given, and at most 500', async () => {
    const client = api();
    const status = unique('s');
    for (let n = 0; n < 101; n++) await createTask(client, { status });
    const count = async (query: object) => {
      const { body } = await client
        .get('/api/tasks')
        .query({ status, ...query })
        .expect(200);
      return (body as Page).tasks.length;
    };
    expect(await count({})).toBe(100);
    expect(await count({ limit: 1 })).toBe(1);
    expect(await count({ limit: 500 })).toBe(101);
  });

  it.each(['0', '501', '-1', '1.5', '1e2', 'ten', '', ' 5'])(
    'answers 400 for limit=%j',
    async (limit) => {
      const response = await api().get('/api/tasks').query({ limit }).expect(400);
      const message = 'must be a whole number from 1 to 500';
      expect(response.body).toEqual({
        error: `'limit' ${message}`,
        details: [{ path: 'limit', message }],
      });
    },
  );

  it('shows each task once on the pages, although tasks are created and deleted', async () => {
    const client = api();
    const status = unique('s');
    const created: Task[] = [];
    for (let n = 0; n < 7; n++) created.unshift(await createTask(client, { status }));
    const expected = created.map(({ id }) => id);

    const seen: number[] = [];
    let next: string | undefined = `/api/tasks?limit=3&status=${encodeURIComponent(status)}`;
    while (next) {
      const response: Response = await client.get(next).expect(200);
      const { tasks, next_cursor } = response.body as Page;
      seen.push(...tasks.map(({ id }) => id));
      next = /^<(.+)>; rel="next"$/.exec(response.headers.link ?? '')?.[1];
      expect(next?.includes(encodeURIComponent(next_cursor ?? '-'))).toBe(
        next_cursor === undefined ? undefined : true,
      );
      await createTask(client, { status }); // lands before the first page
      await client.delete(`/api/tasks/${tasks.at(-1)?.id}`).expect(200); // the row of the cursor
    }
    expect(seen).toEqual(expected);
  });

  it('orders tasks of one created_at by id across pages', async () => {
    const client = api();
    const { body } = await client.get('/api/tasks?limit=500&q=o').expect(200);
    const seeds = (body as Page).tasks.filter(({ id }) => id <= 5);
    const anchor = Buffer.from(JSON.stringify([seeds[0]?.created_at, 1])).toString('base64url');
    const after = await client.get('/api/tasks').query({ cursor: anchor, limit: 2 }).expect(200);
    expect((after.body as Page).tasks.map(({ id }) => id)).toEqual([2, 3]);
  });

  it('has neither next_cursor nor Link when exactly the last row was returned', async () => {
    const client = api();
    const status = unique('s');
    await createTask(client, { status });
    const response = await client.get('/api/tasks').query({ status, limit: 1 }).expect(200);
    expect(Object.keys(response.body as Page)).toEqual(['tasks']);
    expect(response.headers.link).toBeUndefined();
  });

  it.each([
    'x',
    'eyJ9',
    Buffer.from('["2026-02-31T10:00:00.000000+00:00",1]').toString('base64url'),
    Buffer.from('["0000-01-01T10:00:00.000000+00:00",1]').toString('base64url'),
    Buffer.from('["2026-02-20T10:00:00.000000+00:00",2147483648]').toString('base64url'),
    Buffer.from('["2026-02-20T10:00:00.000000+20:00",1]').toString('base64url'),
  ])('answers 400 for the made-up cursor %s', async (cursor) => {
    const response = await api().get('/api/tasks').query({ cursor }).expect(400);
    expect((response.body as { details: unknown }).details).toEqual([
      { path: 'cursor', message: "must be the 'next_cursor' of an earlier response" },
    ]);
  });

  it('filters by status exactly', async () => {
    const client = api();
    const status = unique('Status');
    const { id } = await createTask(client, { status });
    const ids = async (wanted: string) => {
      const { body } = await client.get('/api/tasks').query({ status: wanted }).expect(200);
      return (body as Page).tasks.map((task) => task.id);
    };
    expect(await ids(status)).toEqual([id]);
    expect(await ids(status.toLowerCase())).toEqual([]);
    expect(await ids(status.slice(0, -1))).toEqual([]);
  });

  it('finds q anywhere in the title, in any case, with %, _ and \\ taken literally', async () => {
    const client = api();
    const mark = unique('').trim();
    const { id } = await createTask(client, { title: `${mark} ÄPFEL 100%_\\` });
    const ids = async (q: string) => {
      const { body } = await client.get('/api/tasks').query({ q }).expect(200);
      return (body as Page).tasks.map((task) => task.id);
    };
    expect(await ids(`${mark} äpfel`)).toEqual([id]);
    expect(await ids(`${mark} ÄPFEL 100%_\\`)).toEqual([id]);
    expect(await ids(`${mark} ÄPFEL 100__`)).toEqual([]);
    expect(await ids(`${mark}%100`)).toEqual([]);
    expect(await ids('')).not.toEqual([]); // part of every title
  });

  it('finds q in any Unicode form, and by any lower-case form of a letter', async () => {
    const client = api();
    const mark = unique('').trim();
    const ids = async (q: string) => {
      const { body } = await client
        .get('/api/tasks')
        .query({ q: `${mark} ${q}` })
        .expect(200);
      return (body as Page).tasks.map((task) => task.id);
    };
    const groups = [
      ['Café 100%', 'Cafe\u0301 100%', 'CAFE\u0301 100%', 'café 100%'],
      ['Ὀδυσσεύς', 'ὈΔΥΣΣΕΎΣ', 'ὀδυσσεύσ'.normalize('NFD')],
      ['İstanbul', 'istanbul', 'I\u0307stanbul'],
      ['5 µm', '5 μm', '5 ΜM'],
      ['Straẞe', 'straße'],
      ['각', '각'.normalize('NFD')],
      ['a\\_b', 'A\\_B'],
      ['x\u0301\u1add'], // Node orders these differently from PostgreSQL 17, whose Unicode is older
    ];
    for (const texts of groups) {
      const tasks = [];
      for (const text of texts)
        tasks.unshift(await createTask(client, { title: `${mark} ${text}` }));
      for (const text of texts)
        expect([text, await ids(text)]).toEqual([text, tasks.map(({ id }) => id)]);
      expect(tasks.map(({ title }) => title)).toEqual(
        texts.toReversed().map((text) => `${mark} ${text}`),
      ); // as it was sent
    }
    expect(await ids('Cafe 100')).toEqual([]);
    expect(await ids('Café 1_0')).toEqual([]);
  });

  it('keeps the filters in the link to the next page', async () => {
    const client = api();
    const status = unique('a&b=c');
    const title = unique('find me');
    for (let n = 0; n < 2; n++) await createTask(client, { status, title });
    const { headers } = await client
      .get('/api/tasks')
      .query({ limit: 1, status, q: 'FIND' })
      .expect(200);
    const link = new URL(/<(.+)>/.exec(headers.link ?? '')?.[1] ?? '', 'http://x');
    expect(link.pathname).toBe('/api/tasks');
    expect(Object.fromEntries(link.searchParams)).toMatchObject({ limit: '1', status, q: 'FIND' });
  });

  it.each(['status=a&status=b', 'q=%00', 'status=%00', 'status=', `q=${'x'.repeat(256)}`])(
    'answers 400 for ?%s',
    async (query) => {
      const { body } = await api().get(`/api/tasks?${query}`).expect(400);
      expect(body).toMatchObject({
        error: expect.any(String),
        details: [{ path: query.split('=')[0] }],
      });
    },
  );

  it('answers 400 for what is not UTF-8, instead of searching for something else', async () => {
    const message = 'must be valid Unicode';
    for (const path of ['q', 'status']) {
      const { body } = await api().get(`/api/tasks?${path}=a%FFb`).expect(400);
      expect(body).toEqual({ error: `'${path}' ${message}`, details: [{ path, message }] });
    }
  });

  it('names every fault in a query, UTF-8 or not, and ignores unknown parameters', async () => {
    const { body } = await api().get('/api/tasks?limit=x&q=%FF').expect(400);
    const { details } = body as { details: { path: string; message: string }[] };
    expect(details.map(({ path }) => path)).toEqual(['limit', 'q']);
    const twice = await api().get('/api/tasks?q=a&q=%FF').expect(400);
    expect(twice.body).toMatchObject({ error: "'q' must be given once" });
    await api().get('/api/tasks?x=%FF').expect(200);
  });

  it('takes a % that begins no escape as it is', async () => {
    const client = api();
    const title = `${unique('').trim()}100%`;
    const { id } = await createTask(client, { title });
    const { body } = await client.get(`/api/tasks?q=${title}`).expect(200);
    expect((body as Page).tasks.map((task) => task.id)).toEqual([id]);
  });

  it('finds a parameter after a thousand others', async () => {
    await api()
      .get(`/api/tasks?${'x&'.repeat(1_500)}limit=0`)
      .expect(400);
  });

  it('answers If-None-Match with 304 while nothing has changed, then with 200', async () => {
    const client = api();
    const status = unique('s');
    const { id } = await createTask(client, { status });
    const list = (tag?: string) =>
      client
        .get('/api/tasks')
        .query({ status })
        .set(tag === undefined ? {} : { 'If-None-Match': tag });
    const { etag = '', ...headers } = (await list().expect(200)).headers as Record<string, string>;
    expect(etag).toMatch(/^"[\w-]{27}"$/);
    expect(headers['cache-control']).toBe('no-store');
    // All replicas give a page the same tag, nginx makes it weak, and browsers send no-cache.
    for (const tag of [etag, `W/${etag}`, `"another", ${etag}`]) {
      const same = await api()
        .get('/api/tasks')
        .query({ status })
        .set({ 'If-None-Match': tag, 'Cache-Control': 'no-cache' })
        .expect(304);
      expect([same.text, same.headers.etag, same.headers['content-length']]).toEqual([
        '',
        etag,
        undefined,
      ]);
    }
    await client
      .get('/api/tasks')
      .query({ status, limit: 1 })
      .set('If-None-Match', '"another"')
      .expect(200);
    await client.patch(`/api/tasks/${id}`).send({ title: 'changed' }).expect(200);
    const changed = await list(etag).expect(200);
    expect(changed.headers.etag).not.toBe(etag);
    expect((changed.body as Page).tasks.map(({ title }) => title)).toEqual(['changed']);
    await client.delete(`/api/tasks/${id}`).expect(200);
    await list(changed.headers.etag).expect(200, '{"tasks":[]}');
  });

  it('answers 304 for If-None-Match: *, and finds its tag in any list of tags', async () => {
    const client = api();
    const status = unique('s');
    await createTask(client, { status });
    const list = (headers: Record<string, string>, method: 'get' | 'head' = 'get') =>
      client[method]('/api/tasks').query({ status }).set(headers);
    const { etag = '' } = (await list({}).expect(200)).headers as Record<string, string>;
    for (const tags of ['*', ' * ', `"a,b", W/${etag}`, `${etag},"x"`, `"a" ,\t${etag}`]) {
      await list({ 'If-None-Match': tags }).expect(304);
      await list({ 'If-None-Match': tags }, 'head').expect(304);
    }
    const bare = etag.slice(1, -1);
    for (const tags of [`"x,${bare},y"`, bare, `"*"`, ''])
      await list({ 'If-None-Match': tags }).expect(200);
  });

  it('answers 412 for an If-Match that does not name the page', async () => {
    const client = api();
    const status = unique('s');
    const list = (tags: string) => client.get('/api/tasks').query({ status }).set('If-Match', tags);
    const { etag = '' } = (await list('*').expect(200)).headers as Record<string, string>;
    await list(`"x", ${etag}`).expect(200);
    for (const tags of ['"x"', `W/${etag}`]) {
      const { body } = await list(tags).expect(412);
      expect(body).toEqual({ error: 'The condition of If-Match or If-None-Match does not hold' });
    }
  });

  it('ignores parameters it does not know', async () => {
    await api().get('/api/tasks?limit=1&page=2&status[]=x').expect(200);
  });
});

describe('POST /api/tasks', () => {
  it('answers 201 with the task and its Location, and stores it', async () => {
    const client = api();
    const title = unique('new');
    const response = await client.post('/api/tasks').send({ title, status: 'active' }).expect(201);
    const { task } = response.body as { task: Task };
    expect(task).toMatchObject({ title, status: 'active' });
    expect(response.headers.location).toBe(`/api/tasks/${task.id}`);
    const stored = await client.get(`/api/tasks/${task.id}`).expect(200);
    expect(stored.text).toBe(response.text);
  });

  it('gives a new task the status pending', async () => {
    expect((await createTask(api())).status).toBe('pending');
  });

  it('stores title and status trimmed', async () => {
    expect(await createTask(api(), { title: ' \t a b \n', status: ' done ' })).toMatchObject({
      title: 'a b',
      status: 'done',
    });
  });

  it.each([
    'pending',
    'active',
    'in_progress',
    'complete',
    'completed',
    'done',
    'archived',
    'x'.repeat(50),
    '🙂'.repeat(50),
  ])('takes the status %s', async (status) => {
    expect((await createTask(api(), { status })).status).toBe(status);
  });

  it.each([
    "<script>alert('x')</script>",
    '"quoted" \\ back',
    '\u202Eright to left',
    'e\u0301',
    '\u0001\u001f\u2028.',
    '👩‍👩‍👧',
    'a'.repeat(255),
    '🙂'.repeat(255),
  ])('returns the title %j as it was sent', async (title) => {
    const client = api();
    const { id } = await createTask(client, { title });
    const { body } = await client.get(`/api/tasks/${id}`).expect(200);
    expect((body as { task: Task }).task.title).toBe(title);
  });

  it('ignores unknown keys, so a client sets neither id nor created_at', async () => {
    const known = JSON.stringify({
      title: unique('t'),
      id: 1,
      created_at: '2000-01-01T00:00:00Z',
      done: true,
    });
    const sent = known.replace(
      '{',
      '{"__proto__":{"status":"x"},"constructor":{"prototype":{"status":"x"}},',
    );
    const { body } = await api().post('/api/tasks').type('json').send(sent).expect(201);
    const { task } = body as { task: Task };
    expect(task.id).toBeGreaterThan(5);
    expect(task.created_at).not.toContain('2000');
    expect(task.status).toBe('pending');
  });

  it.each([{}, { status: 'active' }, { Title: 'x' }])(
    "answers 400 Missing 'title' for %j",
    async (body) => {
      const response = await api().post('/api/tasks').send(body).expect(400);
      expect(response.body).toEqual({ error: "Missing 'title' in request body" });
    },
  );

  it.each([
    ['title', '', 'must not be empty'],
    ['title', '   ', 'must not be empty'],
    ['title', 'a'.repeat(256), 'must be at most 255 characters long'],
    ['title', '🙂'.repeat(256), 'must be at most 255 characters long'],
    ['title', 'a\0b', 'must not contain the NUL character'],
    ['title', 'a\ud800b', 'must be valid Unicode'],
    ['title', null, 'must be a string'],
    ['title', 5, 'must be a string'],
    ['title', ['x'], 'must be a string'],
    ['title', { toString: 'x' }, 'must be a string'],
    ['status', '', 'must not be empty'],
    ['status', 'a'.repeat(51), 'must be at most 50 characters long'],
    ['status', 'a\0', 'must not contain the NUL character'],
    ['status', '\udfff', 'must be valid Unicode'],
    ['status', null, 'must be a string'],
    ['status', true, 'must be a string'],
  ])('answers 400 for %s %j', async (path, value, message) => {
    const client = api();
    const q = unique('rejected');
    const response = await client
      .post('/api/tasks')
      .send({ title: q, [path]: value })
      .expect(400);
    expect(response.body).toEqual({ error: `'${path}' ${message}`, details: [{ path, message }] });
    const { body } = await client.get('/api/tasks').query({ q });
    expect(body).toEqual({ tasks: [] });
  });

  it('reports every invalid field', async () => {
    const { body } = await api().post('/api/tasks').send({ title: '', status: 5 }).expect(400);
    expect(body).toEqual({
      error: "'title' must not be empty; 'status' must be a string",
      details: [
        { path: 'title', message: 'must not be empty' },
        { path: 'status', message: 'must be a string' },
      ],
    });
  });

  it.each(['[]', '"text"', '5', 'null', 'true'])(
    'answers 400 for the JSON value %s',
    async (text) => {
      const { body } = await api().post('/api/tasks').type('json').send(text).expect(400);
      expect(body).toMatchObject({ error: 'Request body must be a JSON object' });
    },
  );

  it.each([
    '',
    '{',
    '{"title":"x"',
    "{'title':'x'}",
    '{"title":"x"}}',
    'undefined',
    'NaN',
    '\ufeff',
  ])('answers 400 for the broken JSON %j', async (text) => {
    const { body } = await api().post('/api/tasks').type('json').send(text).expect(400);
    expect(body).toEqual({ error: 'Request body must be JSON' });
  });

  it('takes JSON behind a byte order mark, but behind one only', async () => {
    const title = unique('mark');
    const { body } = await api()
      .post('/api/tasks')
      .type('json')
      .send(`\ufeff{"title":"\ufeff${title}"}`)
      .expect(201);
    expect(body).toMatchObject({ task: { title } });
    await api()
      .post('/api/tasks')
      .type('json')
      .send(`\ufeff\ufeff{"title":"${title}"}`)
      .expect(400);
  });

  it('answers 400 for bytes that are not UTF-8, instead of storing other characters', async () => {
    const bytes = Buffer.concat([
      Buffer.from('{"title":"'),
      Buffer.from([0xc3, 0x28, 0xff]),
      Buffer.from('"}'),
    ]);
    const { body } = await api()
      .post('/api/tasks')
      .type('json')
      .serialize(() => bytes as unknown as string)
      .send({})
      .expect(400);
    expect(body).toEqual({ error: 'Request body must be JSON' });
  });

  it('answers 400 without a body', async () => {
    const { body } = await api().post('/api/tasks').expect(400);
    expect(body).toEqual({ error: 'Request body must be JSON' });
  });

  it.each([
    'text/plain',
    'application/x-www-form-urlencoded',
    'multipart/form-data',
    'application/xml',
    'application/jsonx',
  ])('answers 415 for a body of type %s', async (type) => {
    const { body } = await api()
      .post('/api/tasks')
      .set('Content-Type', type)
      .send('{"title":"x"}')
      .expect(415);
    expect(body).toEqual({ error: 'Content-Type must be application/json' });
  });

  it('takes application/json with a charset, and answers 415 for unknown encodings', async () => {
    const post = () => api().post('/api/tasks');
    for (const charset of ['utf-8', '"UTF-8"', 'utf8']) {
      await post()
        .set('Content-Type', `Application/JSON; charset=${charset}`)
        .send('{"title":"x"}')
        .expect(201);
    }
    for (const charset of ['', 'utf-16']) {
      await post()
        .set('Content-Type', `application/json; charset=${charset}`)
        .send('{"title":"x"}')
        .expect(415);
    }
    const { body } = await post()
      .type('json')
      .set('Content-Encoding', 'compress')
      .send('{"title":"x"}')
      .expect(415);
    expect(body).toEqual({ error: 'Content-Encoding must be gzip, deflate, br, zstd or absent' });
    const latin = await post()
      .set('Content-Type', 'application/json; charset=latin1')
      .send('{"title":"x"}')
      .expect(415);
    expect(latin.body).toEqual({ error: 'JSON must be in UTF-8' });
    const notGzip = await post()
      .type('json')
      .set('Content-Encoding', 'gzip')
      .send('{"title":"x"}')
      .expect(400);
    expect(notGzip.body).toEqual({
      error: 'Request body does not match its Content-Length or Content-Encoding',
    });
  });

  it('answers 413 for more than 64 kB', async () => {
    const client = api();
    const padded = (size: number) =>
      JSON.stringify({ title: 'x', padding: '' }).replace('""', `"${'x'.repeat(size - 26)}"`);
    expect(padded(65_536)).toHaveLength(65_536);
    await client.post('/api/tasks').type('json').send(padded(65_536)).expect(201);
    const { body } = await client.post('/api/tasks').type('json').send(padded(65_537)).expect(413);
    expect(body).toEqual({ error: 'Request body is too large; the limit is 64 kB' });
  });

  it('survives 10 000 nested arrays', async () => {
    const nested = `{"title":${'['.repeat(10_000)}${']'.repeat(10_000)}}`;
    const { body } = await api().post('/api/tasks').type('json').send(nested).expect(400);
    expect(body).toMatchObject({ error: "'title' must be a string" });
  });
});

describe('GET /api/tasks/<id>', () => {
  it('answers 200 with the task', async () => {
    const client = api();
    const task = await createTask(client);
    const response = await client.get(`/api/tasks/${task.id}`).expect(200);
    expect(response.text).toBe(JSON.stringify({ task }));
  });

  it('answers 404 for an id that no task has', async () => {
    const { body } = await api().get('/api/tasks/2147483647').expect(404);
    expect(body).toEqual({ error: 'Task 2147483647 not found' });
  });

  it('answers If-None-Match: * with 304 and a tag in If-Match with 412', async () => {
    const client = api();
    const { id } = await createTask(client);
    for (const method of ['get', 'head'] as const) {
      const ask = (headers: Record<string, string>, of = id) =>
        client[method](`/api/tasks/${of}`).set(headers);
      await ask({ 'If-None-Match': '*' }).expect(304);
      await ask({ 'If-None-Match': '"x"', 'If-Match': '*' }).expect(200);
      await ask({ 'If-Match': '"x"' }).expect(412);
      await ask({ 'If-None-Match': '*', 'If-Match': '"x"' }, 2_147_483_647).expect(404);
    }
  });
});

describe.each(['PUT', 'PATCH'] as const)('%s /api/tasks/<id>', (method) => {
  const send = (client: ReturnType<typeof api>, id: number | string) =>
    method === 'PUT' ? client.put(`/api/tasks/${id}`) : client.patch(`/api/tasks/${id}`);

  it.each([
    { title: 'new title' },
    { status: 'done' },
    { title: 'both', status: 'active' },
    { title: 'x', id: 1, created_at: 'x' },
  ])('changes what %j gives and nothing else', async (change) => {
    const client = api();
    const neighbour = await createTask(client);
    const before = await createTask(client, { status: 'before' });
    const { id: _id, created_at: _time, ...changed } = { id: 0, created_at: '', ...change };
    const expected = { ...before, ...changed };
    const response = await send(client, before.id).send(change).expect(200);
    expect(response.text).toBe(JSON.stringify({ task: expected }));
    expect((await client.get(`/api/tasks/${before.id}`)).body).toEqual({ task: expected });
    expect((await client.get(`/api/tasks/${neighbour.id}`)).body).toEqual({ task: neighbour });
  });

  it('answers 400 when neither title nor status is given', async () => {
    const client = api();
    const { id } = await createTask(client);
    const { body } = await send(client, id).send({ done: true }).expect(400);
    expect(body).toEqual({
      error: 'Give at least one of: title, status',
      details: [{ path: '', message: 'Give at least one of: title, status' }],
    });
  });

  it('answers 400 for an invalid value and changes nothing', async () => {
    const client = api();
    const before = await createTask(client);
    const { body } = await send(client, before.id).send({ title: 'ok', status: '' }).expect(400);
    expect(body).toEqual({
      error: "'status' must not be empty",
      details: [{ path: 'status', message: 'must not be empty' }],
    });
    expect((await client.get(`/api/tasks/${before.id}`)).body).toEqual({ task: before });
  });

  it('answers 404 for an id that no task has, and creates none', async () => {
    const client = api();
    const { body } = await send(client, 2147483646).send({ title: 'x' }).expect(404);
    expect(body).toEqual({ error: 'Task 2147483646 not found' });
    await client.get('/api/tasks/2147483646').expect(404);
  });

  it('answers 400 without a body and 415 for another type', async () => {
    const client = api();
    expect((await send(client, 1).expect(400)).body).toEqual({
      error: 'Request body must be JSON',
    });
    await send(client, 1).type('text/plain').send('x').expect(415);
  });

  it('keeps what another replica changes at the same time', async () => {
    const client = api();
    const { id } = await createTask(client, { title: 'before', status: 'pending' });
    const other = await owner();
    await other.query('BEGIN');
    await other.query('UPDATE tasks SET title = $2 WHERE id = $1', [id, 'by the other']);
    const changed = send(client, id).send({ status: 'done' }).expect(200);
    const waits = `SELECT FROM pg_locks WHERE NOT granted AND locktype = 'transactionid'`;
    const sent = changed.then(({ body }) => body as unknown);
    await expect.poll(async () => (await other.query(waits)).rowCount).toBeGreaterThan(0);
    await other.query('COMMIT');
    expect(await sent).toMatchObject({ task: { title: 'by the other', status: 'done' } });
  });
});

describe('DELETE /api/tasks/<id>', () => {
  it('answers 200 and deletes this task only', async () => {
    const client = api();
    const neighbour = await createTask(client);
    const { id } = await createTask(client);
    const { body } = await client.delete(`/api/tasks/${id}`).expect(200);
    expect(body).toEqual({ message: `Task ${id} deleted` });
    await client.get(`/api/tasks/${id}`).expect(404);
    await client.get(`/api/tasks/${neighbour.id}`).expect(200);
  });

  it('answers 404 the second time', async () => {
    const client = api();
    const { id } = await createTask(client);
    await client.delete(`/api/tasks/${id}`).expect(200);
    const { body } = await client.delete(`/api/tasks/${id}`).expect(404);
    expect(body).toEqual({ error: `Task ${id} not found` });
  });

  it('deletes once when many ask at the same time', async () => {
    const client = api();
    const { id } = await createTask(client);
    const answers = await Promise.all(
      Array.from({ length: 8 }, () => client.delete(`/api/tasks/${id}`)),
    );
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    expect(answers.filter(({ status }) => status === 404)).toHaveLength(7);
  });
});

describe('a change with a condition', () => {
  it.each(['put', 'patch', 'delete'] as const)(
    '%s is not made when the condition does not hold',
    async (method) => {
      const client = api();
      const before = await createTask(client);
      const change = (headers: Record<string, string>, id = before.id) =>
        client[method](`/api/tasks/${id}`).set(headers).send({ title: 'changed' });
      const failing: Record<string, string>[] = [{ 'If-Match': '"x"' }, { 'If-None-Match': '*' }];
      for (const headers of failing) {
        const { body } = await change(headers).expect(412);
        expect(body).toEqual({ error: 'The condition of If-Match or If-None-Match does not hold' });
        await change(headers, 2_147_483_647).expect(404);
      }
      expect((await client.get(`/api/tasks/${before.id}`).expect(200)).body).toEqual({
        task: before,
      });
      await change({ 'If-Match': '*', 'If-None-Match': '"x"' }).expect(200);
    },
  );
});

describe('an invalid id', () => {
  it.each(notIds)('%s is answered with 400 by every method', async (id) => {
    const client = api();
    const expected = {
      error: `'id' ${wholeNumber}`,
      details: [{ path: 'id', message: wholeNumber }],
    };
    expect((await client.get(`/api/tasks/${id}`).expect(400)).body).toEqual(expected);
    expect((await client.delete(`/api/tasks/${id}`).expect(400)).body).toEqual(expected);
    expect((await client.put(`/api/tasks/${id}`).send({ title: 'x' }).expect(400)).body).toEqual(
      expected,
    );
    expect((await client.patch(`/api/tasks/${id}`).send({ title: 'x' }).expect(400)).body).toEqual(
      expected,
    );
  });

  it('%ZZ, which cannot be decoded, is answered with 400', async () => {
    const { body } = await api().get('/api/tasks/%ZZ').expect(400);
    expect(body).toEqual({ error: 'Path cannot be decoded' });
  });
});
