import { type Request, type RequestHandler, type Response, Router } from 'express';
import { HttpError, methodNotAllowed } from '../errors.ts';
import { jsonBody } from '../middleware.ts';
import { precondition } from '../preconditions.ts';
import type { Shared } from '../share.ts';
import {
  IdempotencyKey,
  ListQuery,
  NewTask,
  TaskChange,
  type TaskJson,
  TaskPath,
} from './schema.ts';
import type { CreatedOnce, NotCreated, TaskStore } from './store.ts';

/** The tasks API. Each handler parses, asks the store and answers. */
export function taskRoutes(store: TaskStore): Router {
  const router = Router({ caseSensitive: true, strict: true });
  router
    .route('/api/tasks')
    .get(list(store))
    .post(jsonBody, create(store))
    .all(methodNotAllowed('GET, HEAD, POST'));
  router
    .route('/api/tasks/:id')
    .get(get(store))
    .put(jsonBody, change(store))
    .patch(jsonBody, change(store))
    .delete(remove(store))
    .all(methodNotAllowed('GET, HEAD, PUT, PATCH, DELETE'));
  return router;
}

type TaskRequest = Request<{ id: string }>;
type TaskHandler = RequestHandler<{ id: string }>;

const list = (store: TaskStore): RequestHandler => {
  return async (req, res) => {
    const query = ListQuery.parse(req.query);
    const { json, etag, nextCursor } = await timed(res, store.list(query));
    res.setHeader('ETag', etag);
    const shortcut = precondition(req, etag);
    if (shortcut === 304) return void res.status(304).end();
    if (shortcut === 412) throw conditionFailed();
    if (nextCursor !== undefined)
      res.setHeader('Link', `<${nextPage(query, nextCursor)}>; rel="next"`);
    sendJson(res, json);
  };
};

const create = (store: TaskStore): RequestHandler => {
  return async (req, res) => {
    const task = NewTask.parse(req.body);
    const hasKey = 'idempotency-key' in req.headers;
    const created = hasKey ? createOnce(store, req, res, task) : store.create(task);
    const { id, json } = await timed(res, created);
    res.status(201).location(`/api/tasks/${id}`);
    sendTask(res, id, json);
  };
};

async function createOnce(
  store: TaskStore,
  req: Request,
  res: Response,
  task: NewTask,
): Promise<CreatedOnce> {
  const { 'idempotency-key': key } = IdempotencyKey.parse(req.headers);
  const outcome = await store.createOnce(key, task);
  if (typeof outcome === 'string') throw notCreated[outcome]();
  if (outcome.replayed) res.set('Idempotency-Replayed', 'true');
  return outcome;
}

const get = (store: TaskStore): TaskHandler => {
  return async (req, res) => {
    const { id } = TaskPath.parse(req.params);
    const json = await timed(res, store.get(id));
    const shortcut = json === undefined ? undefined : precondition(req);
    if (shortcut === 304) return void res.status(304).end();
    if (shortcut === 412) throw conditionFailed();
    sendTask(res, id, json);
  };
};

const change = (store: TaskStore): TaskHandler => {
  return async (req, res) => {
    const { id } = TaskPath.parse(req.params);
    const wanted = TaskChange.parse(req.body);
    await checkCondition(store, req, id);
    sendTask(res, id, await timed(res, store.update(id, wanted)));
  };
};

const remove = (store: TaskStore): TaskHandler => {
  return async (req, res) => {
    const { id } = TaskPath.parse(req.params);
    await checkCondition(store, req, id);
    if (!(await timed(res, store.remove(id)))) throw taskNotFound(id);
    res.json({ message: `Task ${id} deleted` });
  };
};

/** Refuses a change that a condition forbids: 412, or 404 if there is no such task. */
async function checkCondition(store: TaskStore, req: TaskRequest, id: number): Promise<void> {
  if (precondition(req) === undefined) return;
  throw (await store.get(id)) === undefined ? taskNotFound(id) : conditionFailed();
}

/**
 * Waits for the store. Server-Timing says how long that took, and how long the whole request has
 * taken so far. X-Shared-By, which nginx logs, says how many requests shared the statement.
 */
async function timed<Result>(res: Response, result: Shared<Result>): Promise<Result> {
  const askedAt = performance.now();
  const got = await result;
  const now = performance.now();
  const api = (now - res.locals.startedAt).toFixed(1);
  const db = (now - askedAt).toFixed(1);
  res.setHeader('Server-Timing', `api;dur=${api}, db;dur=${db}`);
  if (result.sharedBy !== undefined) res.setHeader('X-Shared-By', result.sharedBy);
  return got;
}

function nextPage({ limit, status, q }: ListQuery, cursor: string): string {
  const filters = parameter('status', status) + parameter('q', q);
  return `/api/tasks?limit=${limit}${filters}&cursor=${cursor}`;
}

const parameter = (name: string, value?: string) =>
  value ? `&${name}=${encodeURIComponent(value)}` : '';

const retryLater = { 'Retry-After': '1' };
const notCreated: Record<NotCreated, () => HttpError> = {
  running: () =>
    new HttpError(409, 'A request with this Idempotency-Key is still running', retryLater),
  deleted: () => new HttpError(410, 'The task created with this Idempotency-Key has been deleted'),
  'other task': () => new HttpError(422, 'This Idempotency-Key was used for another task'),
};

const conditionFailed = () =>
  new HttpError(412, 'The condition of If-Match or If-None-Match does not hold');
const taskNotFound = (id: number) => new HttpError(404, `Task ${id} not found`);

function sendTask(res: Response, id: number, json: TaskJson | undefined): void {
  if (json === undefined) throw taskNotFound(id);
  sendJson(res, `{"task":${json}}`);
}

/** Like res.json(), for JSON that is already text. */
function sendJson(res: Response, json: string | Buffer): void {
  res.setHeader('Content-Type', 'application/json; charset=utf-8');
  res.setHeader('Content-Length', Buffer.byteLength(json));
  res.end(json);
}
