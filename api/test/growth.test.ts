// What a page costs must not depend on how many tasks there are: counted in blocks read, which do not depend on the machine.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Db, Statement } from '../src/db.ts';
import { ListQuery } from '../src/tasks/schema.ts';
import { openTaskStore } from '../src/tasks/store.ts';
import { database, owner, ownerEnvironment } from './helper.ts';

const initDir = join(import.meta.dirname, '../../db/init');

interface Plan {
  'Node Type': string;
  'Shared Hit Blocks': number;
  'Shared Read Blocks': number;
  Plans?: Plan[];
}

/** A database of its own with so many tasks, half of them of one created_at, as an import leaves them. */
async function databaseWith(tasks: number): Promise<Db> {
  const name = `growth_${tasks}_${Date.now()}`;
  await (await owner()).query(`CREATE DATABASE ${name}`);
  const admin = await owner(name);
  const init = (file: string) => admin.query(readFileSync(join(initDir, file), 'utf8'));
  await init('01_schema.sql');
  await admin.query(`
    INSERT INTO tasks (title, status, created_at)
    SELECT 'task ' || md5(n::text) || CASE WHEN n % 4 = 0 THEN ' every fourth' WHEN n = 7 THEN ' one Zebra' ELSE '' END,
           CASE WHEN n % 2 = 0 THEN 'even' ELSE 'odd' END,
           timestamptz '2026-01-01' + CASE WHEN n % 2 = 0 THEN n ELSE ${tasks} / 2 END * interval '1 second'
    FROM generate_series(1, ${tasks}) AS n`);
  await init('02_indexes.sql'); // afterwards, which is faster
  await admin.query('ANALYZE tasks');
  return database({ ...ownerEnvironment(), DB_NAME: name });
}

/** The blocks that the statement behind a page touches, and the ways it takes. */
async function costOf(db: Db, query: Record<string, string>) {
  const statements: Statement[] = [];
  const recording: Db = {
    ...db,
    read: (statement) => (statements.push(statement), db.read(statement)),
  };
  await openTaskStore(recording).list(ListQuery.parse({ limit: '100', ...query }));
  const [{ text, values } = { text: '', values: [] }] = statements;
  const explain = { name: '', text: `EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) ${text}`, values };
  const [row] = await db.read<{ 'QUERY PLAN': { Plan: Plan }[] }>(explain);
  const plan = row?.['QUERY PLAN'][0]?.Plan;
  if (!plan) throw new Error('no plan');
  const nodes = (node: Plan): string[] => [node['Node Type'], ...(node.Plans ?? []).flatMap(nodes)];
  return { blocks: plan['Shared Hit Blocks'] + plan['Shared Read Blocks'], nodes: nodes(plan) };
}

describe('a page of 100 tasks', () => {
  it('costs as many blocks among 200 000 tasks as among 2 000, and is found by an index', async () => {
    const [small, large] = [await databaseWith(2_000), await databaseWith(200_000)];
    const middle = (tasks: number, offset: number) => {
      const time = new Date(Date.parse('2026-01-01T00:00:00Z') + offset * 1_000)
        .toISOString()
        .replace('Z', '000+00:00');
      return Buffer.from(JSON.stringify([time, Math.floor(tasks / 2)])).toString('base64url');
    };
    const pages: [string, (tasks: number) => Record<string, string>][] = [
      ['at the start', () => ({})],
      ['deep in the list', (tasks) => ({ cursor: middle(tasks, Math.floor(tasks / 4)) })],
      ['deep among tasks of one created_at', (tasks) => ({ cursor: middle(tasks, tasks / 2) })],
      ['by status', () => ({ status: 'even' })],
      ['by status, deep', (tasks) => ({ status: 'odd', cursor: middle(tasks, tasks / 2) })],
      ['by a part of many titles', () => ({ q: 'EVERY fourth' })],
      ['by a part of few titles', () => ({ q: 'zebra' })],
      ['by a part of no title', () => ({ q: 'nothing like this' })],
    ];
    for (const [name, query] of pages) {
      const [before, after] = [
        await costOf(small, query(2_000)),
        await costOf(large, query(200_000)),
      ];
      expect([name, after.nodes.filter((node) => /Index/.test(node)).length > 0]).toEqual([
        name,
        true,
      ]);
      expect([name, after.nodes]).toEqual([name, expect.not.arrayContaining(['Seq Scan'])]);
      // An index of 100 times the rows is a level or two deeper, for each of the few times it is entered.
      expect([name, after.blocks <= before.blocks * 1.3 + 20]).toEqual([name, true]);
    }
  }, 120_000);
});
