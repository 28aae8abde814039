// Bad input: every answer is the contract's, accepted text is trimmed and otherwise stored as sent,
// and nothing else is stored.
import { Agent } from 'node:https';
import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { type Answer, Production } from '../lib/production.ts';
import { expected, type Fields, type Filter, type Input, type Task } from './contract.ts';
import { full, measured } from './figures.ts';
import { inputs, ownId, titlesOfEveryBlock } from './inputs.ts';
import { linesThatAreNotJson } from './logs.ts';

const senders = 16;
const count = full ? 20_800 : 2_800;

describe.skipIf(inject('notRunBecause'))('bad input', () => {
  let stack: Production;
  const agent = new Agent({ keepAlive: true, maxSockets: senders });
  /** What the answers say the table must hold besides the seed. */
  const stored = new Map<number, Fields>();
  const sent: Record<string, number> = {};
  let databaseLogBefore: number;
  let sessionsBefore: number;

  beforeAll(async () => {
    stack = new Production({ env: { LOG_LEVEL: 'info' } }); // the API's lines are tested as well
    await stack.up();
    // Fills the pools before the count begins: ten different statements at once in each replica.
    await Promise.all(
      Array.from({ length: 200 }, (_, n) =>
        stack.https(`/api/tasks?status=warm-up-${n}`, { agent }),
      ),
    );
    sessionsBefore = await sessions();
    databaseLogBefore = (await databaseLog()).length;
  });
  afterAll(async () => {
    agent.destroy();
    await stack.remove();
  });

  const databaseLog = async () =>
    Object.values(await stack.logStreams('db'))
      .join('\n')
      .split('\n')
      .filter((line) => line !== '');
  const sqlErrors = async (from: number) =>
    (await databaseLog()).slice(from).filter((line) => / (ERROR|FATAL|PANIC): /.test(line));
  async function sessions(): Promise<number> {
    await sleep(1_500); // a connection is counted once it is idle for a second
    return Number(
      await stack.sql("SELECT sessions FROM pg_stat_database WHERE datname = 'taskdb'"),
    );
  }

  async function send({ method, target, headers, body, kind }: Input): Promise<Answer> {
    sent[kind] = (sent[kind] ?? 0) + 1;
    return stack.https(target, {
      method,
      headers: { authorization: `Bearer ${stack.token}`, ...headers },
      body,
      agent,
    });
  }

  async function create(fields: Partial<Fields>): Promise<Task> {
    const headers = { 'content-type': 'application/json' };
    const answer = await stack.https('/api/tasks', {
      method: 'POST',
      headers,
      body: JSON.stringify(fields),
      agent,
    });
    expect([fields, answer.status]).toEqual([fields, 201]);
    return taskOf(answer);
  }

  function taskOf({ text }: Answer): Task {
    const { task } = JSON.parse(text) as { task: Task };
    stored.set(task.id, { title: task.title, status: task.status });
    return task;
  }

  /** Checks that an accepted task is there under its id, and that its title finds it. */
  async function isStoredAsSent({ headers, text }: Answer, fields: Fields): Promise<void> {
    const { task } = JSON.parse(text) as { task: Task };
    expect(text).toBe(
      JSON.stringify({ task: { id: task.id, ...fields, created_at: task.created_at } }),
    );
    expect(task.created_at).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00$/);
    expect(headers.location).toBe(`/api/tasks/${task.id}`);
    expect((await stack.https(`/api/tasks/${task.id}`, { agent })).text).toBe(text);
    // The newest of the matching tasks come first.
    const { title, status } = fields;
    const query = `q=${encodeURIComponent(title)}&status=${encodeURIComponent(status)}`;
    const found = await stack.https(`/api/tasks?limit=500&${query}`, { agent });
    expect(found.text).toContain(JSON.stringify(task));
  }

  function isListOf({ text, headers }: Answer, { limit, status, q = '' }: Filter): void {
    const page = JSON.parse(text) as { tasks: Task[]; next_cursor?: string };
    expect(page.tasks.length).toBeLessThanOrEqual(limit);
    expect(page.next_cursor === undefined).toBe(headers.link === undefined);
    if (page.next_cursor !== undefined) expect(page.tasks.length).toBe(limit);
    const first = ([character = '']: Iterable<string>) => character;
    const withoutCase = (character: string) =>
      first(first(first(character.toLowerCase()).toUpperCase()).toLowerCase());
    const small = (value: string) => Array.from(value.normalize('NFC'), withoutCase).join('');
    for (const [n, task] of page.tasks.entries()) {
      expect(Object.keys(task)).toEqual(['id', 'title', 'status', 'created_at']);
      if (status !== undefined) expect(task.status).toBe(status);
      expect(small(task.title)).toContain(small(q));
      const before = page.tasks[n - 1];
      if (before)
        expect(
          before.created_at > task.created_at ||
            (before.created_at === task.created_at && before.id < task.id),
        ).toBe(true);
    }
  }

  /** Sends inputs, some of them to a task of its own. Throws unless the answer is the right one. */
  function sender(): (input: Input) => Promise<void> {
    let own: Task | undefined;
    return async (given) => {
      if (given.target.includes(ownId)) own ??= await create({ title: 'the task of a sender' });
      const input = {
        ...given,
        target: given.target.replaceAll(ownId, String(own?.id)),
        headers: { authorization: `Bearer ${stack.token}`, ...given.headers },
      };
      const want = expected(input, own, stack.token);
      const answer = await send(input);
      const { status, text = answer.text, allow, created, listed } = want;
      const type =
        text === ''
          ? undefined
          : text === 'healthy\n'
            ? 'text/plain'
            : 'application/json; charset=utf-8';
      const { 'content-type': answeredType = '', 'x-request-id': requestId } = answer.headers;
      expect({ status: answer.status, allow: answer.headers.allow, text: answer.text }).toEqual({
        status,
        allow,
        text,
      });
      expect(
        type === undefined || answeredType === type || `${answeredType}; charset=utf-8` === type,
      ).toBe(true);
      expect(requestId).toMatch(/^[A-Za-z0-9_-]{16,64}$/);
      if (created) {
        taskOf(answer);
        await isStoredAsSent(answer, created);
      }
      if (listed && input.method !== 'HEAD') isListOf(answer, listed);
      if (!own || status !== 200 || !input.target.includes(String(own.id))) return;
      if (input.method.startsWith('P')) own = taskOf(answer);
      if (input.method === 'DELETE') {
        stored.delete(own.id);
        own = undefined;
      }
    };
  }

  it('answers every generated input as the contract says', async () => {
    const startedAt = performance.now();
    const runs = Array.from({ length: senders }, () =>
      fc.assert(fc.asyncProperty(inputs, sender()), { numRuns: count / senders }),
    );
    const failed = (await Promise.allSettled(runs)).filter((run) => run.status === 'rejected');
    if (failed[0]) throw failed[0].reason;
    const total = Object.values(sent).reduce((sum, n) => sum + n, 0);
    expect(total).toBeGreaterThanOrEqual(count);
    expect(Object.keys(sent).length).toBeGreaterThanOrEqual(22); // no class was left out
    const seconds = Math.round((performance.now() - startedAt) / 1_000);
    const inputsSent = `${total} inputs of ${Object.keys(sent).length} classes`;
    measured(`${inputsSent} in ${seconds} s, each answered as expected`);
  }, 600_000);

  it('returns and finds characters of every Unicode block', async () => {
    const titles = titlesOfEveryBlock();
    expect(titles.join('').length).toBeGreaterThan(69_000);
    const run = async () => {
      for (let title = titles.pop(); title !== undefined; title = titles.pop()) {
        const headers = { 'content-type': 'application/json' };
        const answer = await send({
          kind: 'Unicode',
          method: 'POST',
          target: '/api/tasks',
          headers,
          body: Buffer.from(JSON.stringify({ title })),
        });
        expect([title, answer.status]).toEqual([title, 201]);
        taskOf(answer);
        await isStoredAsSent(answer, { title, status: 'pending' });
      }
    };
    await Promise.all(Array.from({ length: senders }, run));
  });

  it('stores byte for byte what it accepted, and nothing else', async () => {
    const hex = (text: string) => Buffer.from(text).toString('hex');
    const rows = await stack.sql(`
      SELECT
        id, encode(convert_to(title, 'UTF8'), 'hex'), encode(convert_to(status, 'UTF8'), 'hex')
      FROM tasks WHERE id > 5 ORDER BY id`);
    const wanted = [...stored]
      .toSorted(([a], [b]) => a - b)
      .map(([id, { title, status }]) => `${id}|${hex(title)}|${hex(status)}`);
    expect(wanted.length).toBeGreaterThan(count / 10);
    expect(rows.trim().split('\n')).toEqual(wanted);
    const seed = await stack.https('/api/tasks/1', { agent });
    expect(seed.text).toContain(
      '"title":"Set up the development environment","status":"completed"',
    );
    measured(`${wanted.length} rows`);
  });

  it('lets no input raise an SQL error or end a database session', async () => {
    const opened = (await sessions()) - sessionsBefore;
    const total = Object.values(sent).reduce((sum, n) => sum + n, 0);
    expect(await sqlErrors(databaseLogBefore)).toEqual([]);
    expect(opened).toBeLessThanOrEqual(total / 100);
    measured(`no error in the log of the database; ${opened} new sessions for ${total} inputs`);
    // The control: both are seen when they happen.
    await expect(stack.sql('SELECT 1/0')).rejects.toThrow('division by zero');
    expect(await sqlErrors(databaseLogBefore)).toHaveLength(1);
    expect((await sessions()) - sessionsBefore).toBeGreaterThan(opened);
  });

  it('logs every input as JSON', async () => {
    expect(await linesThatAreNotJson(stack)).toEqual([]);
  });
});
