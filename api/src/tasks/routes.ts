import { type Request, type RequestHandler, type Response, Router } from 'express';
import { HttpError, methodNotAllowed } from '../errors.ts';
import { jsonBody } from '../json-body.ts';
import { precondition } from '../preconditions.ts';
import type { CreatedOnce, NotCreated } from './idempotency.ts';
import type { TaskJson } from './row.ts';
import { IdempotencyKey, ListQuery, NewTask, TaskChange, TaskPath } from './schema.ts';
import type { TaskStore } from './store.ts';

/** The tasks API: parse, ask the store, answer. */
export function taskRoutes(store: TaskStore): Router {
  const router = Router({ caseSensitive: true, strict: true });

  const create: RequestHandler = async (req, res) => {
    const task = NewTask.parse(req.body);
    const created =
      'idempotency-key' in req.headers ? createOnce(req, res, task) : store.create(task);
    const { id, json } = await timed(res, created);
    res.status(201).location(`/api/tasks/${id}`);
    sendTask(res, id, json);
  };

  async function createOnce(req: Request, res: Response, task: NewTask): Promise<CreatedOnce> {
    const { 'idempotency-key': key } = IdempotencyKey.parse(req.headers);
    const outcome = await store.createOnce(key, task);
    if (typeof outcome === 'string') throw notCreated[outcome]();
    if (outcome.replayed) res.set('Idempotency-Replayed', 'true');
    return outcome;
  }

  router
    .route('/api/tasks')
    .get(async (req, res) => {
      const query = ListQuery.parse(req.query);
      const { json, etag, nextCursor } = await timed(res, store.list(query));
      res.setHeader('ETag', etag);
      const met = precondition(req, etag);
      if (met === 304) return void res.status(304).end();
      if (met === 412) throw conditionFailed();
      if (nextCursor !== undefined) res.set('Link', `<${nextPage(query, nextCursor)}>; rel="next"`);
      sendJson(res, json);
    })
    .post(jsonBody, create)
    .all(methodNotAllowed('GET, HEAD, POST'));

  const change: RequestHandler<{ id: string }> = async (req, res) => {
    const { id } = TaskPath.parse(req.params);
    const wanted = TaskChange.parse(req.body);
    await checkCondition(req, id);
    sendTask(res, id, await timed(res, store.update(id, wanted)));
  };

  /** 412 for a change that a condition forbids, but 404 if there is no such task. */
  async function checkCondition(req: Request<{ id: string }>, id: number): Promise<void> {
    if (precondition(req) === undefined) return;
    throw (await store.get(id)) === undefined ? taskNotFound(id) : conditionFailed();
  }

  router
    .route('/api/tasks/:id')
    .get(async (req, res) => {
      const { id } = TaskPath.parse(req.params);
      const json = await timed(res, store.get(id));
      const met = json === undefined ? undefined : precondition(req);
      if (met === 304) return void res.status(304).end();
      if (met === 412) throw conditionFailed();
      sendTask(res, id, json);
    })
    .put(jsonBody, change)
    .patch(jsonBody, change)
    .delete(async (req, res) => {
      const { id } = TaskPath.parse(req.params);
      await checkCondition(req, id);
      if (!(await timed(res, store.remove(id)))) throw taskNotFound(id);
      res.json({ message: `Task ${id} deleted` });
    })
    .all(methodNotAllowed('GET, HEAD, PUT, PATCH, DELETE'));

  return router;
}

/** Waits for the store, and tells the client how many milliseconds that took, and the request until then. */
async function timed<Result>(res: Response, result: Promise<Result>): Promise<Result> {
  const askedAt = performance.now();
  const got = await result;
  const now = performance.now();
  res.setHeader(
    'Server-Timing',
    `api;dur=${(now - res.locals.startedAt).toFixed(1)}, db;dur=${(now - askedAt).toFixed(1)}`,
  );
  return got;
}

function nextPage({ limit, status, q }: ListQuery, cursor: string): string {
  const parameters = new URLSearchParams({
    limit: String(limit),
    ...(status && { status }),
    ...(q && { q }),
    cursor,
  });
  return `/api/tasks?${parameters.toString()}`;
}

const notCreated: Record<NotCreated, () => HttpError> = {
  running: () =>
    new HttpError(409, 'A request with this Idempotency-Key is still running', {
      'Retry-After': '1',
    }),
  deleted: () => new HttpError(410, 'The task of this Idempotency-Key was deleted'),
  'other task': () => new HttpError(422, 'This Idempotency-Key was used for another task'),
};

const conditionFailed = () =>
  new HttpError(412, 'The condition of If-Match or If-None-Match does not hold');
const taskNotFound = (id: number) => new HttpError(404, `Task ${id} not found`);

function sendTask(res: Response, id: number, json: TaskJson | undefined): void {
  if (json === undefined) throw taskNotFound(id);
  sendJson(res, `{"task":${json}}`);
}

/** What res.json() does, for JSON that is ready: without looking at it again. */
function sendJson(res: Response, json: string | Buffer): void {
  res.setHeader('Content-Type', 'application/json; charset=utf-8');
  res.setHeader('Content-Length', Buffer.byteLength(json));
  res.end(json);
}
