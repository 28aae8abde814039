import type { Db } from '../db.ts';
import { TurnTimeout } from '../db-errors.ts';
import { connections } from '../pool.ts';
import { openLimit, share, type ShareOptions } from '../share.ts';
import {
  listOf,
  type ListQuery,
  type NewTask,
  type Row,
  type TaskJson,
  taskJson,
} from './schema.ts';
import { openTaskStore, type TaskStore } from './store.ts';

/** Turns of one subject run one at a time, in order of arrival. */
interface Turn {
  subject: string;
  run: () => Promise<void>;
}

/**
 * The store of store.ts, but requests that arrive together share a statement, and changes to one
 * task wait here instead of each holding a connection. `onBatch` is called when a shared statement
 * starts, with the number of requests that it serves.
 */
export function openSharedTaskStore(
  db: Db,
  onBatch: (statement: string, size: number) => void = () => {},
): TaskStore {
  const store = openTaskStore(db);
  const limit = openLimit(); // for everything that waits for the database
  const counted = (statement: string) => ({
    limit,
    onStart: (size: number) => onBatch(statement, size),
  });
  const onePage: ShareOptions<ListQuery> = {
    ...counted('list'),
    key: (query) => JSON.stringify(query),
    maxBatch: Infinity,
    maxInFlight: 2,
  };
  const takeTurn = share((turns: Turn[]) => Promise.all(turns.map(({ run }) => run())), {
    limit,
    key: ({ subject }) => subject,
    maxBatch: 1,
  });

  async function inTurn<Result>(subject: string, query: () => Promise<Result>): Promise<Result> {
    const { promise, resolve } = Promise.withResolvers<Result>();
    await takeTurn({ subject, run: async () => resolve(await query()) });
    return promise;
  }

  return {
    list: share(async (queries) => {
      const page = await store.list(queries[0]);
      return queries.map(() => page);
    }, onePage),
    get: share(async (ids) => (ids.length === 1 ? [await store.get(ids[0])] : getTasks(db, ids)), {
      ...counted('get'),
      maxInFlight: connections.get,
    }),
    create: share(
      async (tasks) =>
        tasks.length === 1 ? [await store.create(tasks[0])] : createTasks(db, tasks),
      {
        ...counted('create'),
        key: (task) => Object.keys(task).join(), // which columns the statement sets
        maxInFlight: connections.create,
      },
    ),
    createOnce: (key, task) =>
      inTurn(`key ${key}`, () => store.createOnce(key, task)).catch(stillRunning),
    update: (id, change) => inTurn(`task ${id}`, () => store.update(id, change)),
    remove: (id) => inTurn(`task ${id}`, () => store.remove(id)),
  };
}

/** 'running' if this request timed out waiting for an earlier one with the same key. */
function stillRunning(error: unknown): 'running' {
  if (error instanceof TurnTimeout) return 'running';
  throw error;
}

async function getTasks(db: Db, ids: number[]): Promise<(TaskJson | undefined)[]> {
  const rows = await db.read<Row>({
    name: 'get-many',
    kind: 'get',
    text: `SELECT id, ${taskJson} FROM tasks WHERE id = ANY($1::int[])`,
    values: [ids],
  });
  const found = new Map(rows.map(({ id, json }) => [id, json]));
  return ids.map((id) => found.get(id));
}

/**
 * One INSERT and one commit for tasks with the same fields. The rows get ascending ids in the order
 * of `tasks`.
 */
async function createTasks(db: Db, tasks: NewTask[]): Promise<Row[]> {
  const names = Object.keys(tasks[0] ?? {});
  const rows = await db.write<Row>({
    name: `create-many ${names.join()}`,
    kind: 'create',
    text: `
      INSERT INTO tasks (${listOf(names)})
      SELECT ${listOf(names)}
      FROM json_populate_recordset(NULL::tasks, $1) WITH ORDINALITY ORDER BY ordinality
      RETURNING id, ${taskJson}`,
    values: [JSON.stringify(tasks)],
  });
  return rows.toSorted((a, b) => a.id - b.id);
}
