// Performs the recipe "Adding a column to tasks" of docs/architecture.md on a copy of the API.
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import supertest from 'supertest';
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest';
import type * as appModule from '../src/app.ts';
import type * as configModule from '../src/config.ts';
import type * as dbModule from '../src/db.ts';
import { TaskChange } from '../src/tasks/schema.ts';
import { initFile, ownDatabase, ownerEnvironment, silent, unique } from './helper.ts';

const root = join(import.meta.dirname, '../..');
const recipe = readFileSync(join(root, 'docs/architecture.md'), 'utf8');
const block = (language: string) =>
  new RegExp(`\`\`\`${language}\\n(.+?)\`\`\``, 's').exec(recipe)?.[1]?.trim() ?? '';

// Two more, of which one needs quotes in SQL.
const others = ['label', 'user'];

let copy: string;
beforeAll(() => {
  const ignored = join(root, 'api/dist'); // by git; the API's packages are found from here
  mkdirSync(ignored, { recursive: true });
  copy = mkdtempSync(join(ignored, 'new-column-'));
  cpSync(join(root, 'api/src'), join(copy, 'src'), { recursive: true });
  const file = join(copy, 'src/tasks/schema.ts');
  const fields = [block('ts'), ...others.map((name) => `${name}: z.string().optional(),`)];
  const start = 'const fields = {\n';
  const schema = readFileSync(file, 'utf8').replace(start, `${start}${fields.join('\n')}\n`);
  writeFileSync(file, schema);
});
afterAll(() => rmSync(copy, { recursive: true }));

function schemaWithColumns(priority = block('sql')): string {
  const more = others.map((name) => `ALTER TABLE tasks ADD COLUMN "${name}" TEXT;`);
  const columns = [priority, ...more].join('\n');
  return initFile('01_schema.sql').replace('COMMIT;', `${columns}\nCOMMIT;`); // the first one
}

/** The copy of the API, on a database of its own. */
async function changedApi(schema: string) {
  const { name } = await ownDatabase(schema);
  const load = (file: string): Promise<unknown> => import(join(copy, 'src', file));
  const { createApp } = (await load('app.ts')) as typeof appModule;
  const { readConfig } = (await load('config.ts')) as typeof configModule;
  const { openDb } = (await load('db.ts')) as typeof dbModule;
  const db = openDb(readConfig({ ...ownerEnvironment(), DB_NAME: name }), silent);
  onTestFinished(() => db.close());
  return supertest(createApp({ db, log: silent, version: '1.2.3' }));
}

it('reads and writes the new column in every way', async () => {
  const client = await changedApi(schemaWithColumns());
  await client.get('/healthz').expect(200);
  const post = (body: object, key?: string) => {
    const request = client.post('/api/tasks').send(body);
    return key === undefined ? request : request.set('Idempotency-Key', key);
  };
  const created = await Promise.all([1, 2, 3, 4].map((priority) => post({ title: 'a', priority })));
  const priorities = created.map(({ body }) => (body as Answer).task.priority);
  expect(priorities).toEqual([1, 2, 3, 4]);

  const key = unique('key').replace(' ', '-');
  const once = await post({ title: 'b', priority: 5 }, key).expect(201);
  expect((once.body as Answer).task).toMatchObject({ title: 'b', priority: 5 });
  await post({ title: 'b', priority: 6 }, key).expect(422);
  await post({ title: 'b', priority: 5 }, key).expect(201, once.body as Answer);

  const path = `/api/tasks/${(once.body as Answer).task.id}`;
  const changed = await client.patch(path).send({ priority: 7 }).expect(200);
  expect((changed.body as Answer).task).toMatchObject({ title: 'b', priority: 7 });
  await client.patch(path).send({ title: 'c' }).expect(200);
  const read = await client.get(path).expect(200);
  expect((read.body as Answer).task).toMatchObject({ title: 'c', priority: 7 });
  const cleared = await client.patch(path).send({ priority: null }).expect(200);
  expect((cleared.body as Answer).task).toMatchObject({ title: 'c', priority: null });
  const list = await client.get('/api/tasks').expect(200);
  expect((list.body as { tasks: Task[] }).tasks[0]).toMatchObject({ title: 'c', priority: null });

  const refused = await post({ title: 'd', priority: 10 }).expect(400);
  expect(refused.body).toMatchObject({ details: [{ path: 'priority' }] });
});

it('tells apart requests that give different fields', async () => {
  const client = await changedApi(schemaWithColumns());
  const post = (body: object) => client.post('/api/tasks').set('Idempotency-Key', 'one').send(body);
  await post({ title: 'a', label: 'x' }).expect(201);
  await post({ title: 'a', user: 'x' }).expect(422);
  await post({ title: 'a', label: 'x' }).expect(201);
});

it('leaves a field that is absent to the default of the column', async () => {
  const column = block('sql').replace('SMALLINT', 'SMALLINT NOT NULL DEFAULT 3');
  const client = await changedApi(schemaWithColumns(column));
  const bodies = [{ title: 'a' }, { title: 'a', priority: 4 }, { title: 'a' }, { title: 'a' }];
  const created = await Promise.all(bodies.map((body) => client.post('/api/tasks').send(body)));
  const priorities = created.map(({ body }) => (body as Answer).task.priority);
  expect(priorities).toEqual([3, 4, 3, 3]);
  const once = await client.post('/api/tasks').set('Idempotency-Key', 'two').send({ title: 'b' });
  expect((once.body as Answer).task.priority).toBe(3);
});

it('gives no field of a change a default', () => {
  expect(TaskChange.parse({ title: 'a' })).toEqual({ title: 'a' });
});

it('documents the new column', async () => {
  const client = await changedApi(schemaWithColumns());
  const { body } = await client.get('/api/openapi.json').expect(200);
  const { schemas } = (body as Document).components;
  const documents = ({ properties }: { properties: object }) => 'priority' in properties;
  const documented = Object.keys(schemas).filter((name) => documents(schemas[name]!));
  expect(documented).toEqual(['Task', 'NewTask', 'TaskChange']);
});

it('finds a database without the new column unhealthy', async () => {
  const client = await changedApi(initFile('01_schema.sql'));
  const { body } = await client.get('/healthz').expect(503);
  expect(body).toMatchObject({ reason: 'schema is incomplete or older than the code' });
});

interface Task {
  id: number;
  priority: number | null;
}
interface Answer {
  task: Task;
}
interface Document {
  components: { schemas: Record<string, { properties: object }> };
}
