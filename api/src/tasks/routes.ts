import { Buffer, isUtf8 } from 'node:buffer';
import express, { type Request, type RequestHandler, type Response, Router } from 'express';
import { HttpError, methodNotAllowed } from '../errors.ts';
import type { TaskJson } from './row.ts';
import { IdempotencyKey, ListQuery, NewTask, TaskChange, TaskPath } from './schema.ts';
import type { TaskStore } from './store.ts';

const noJson = () => new HttpError(400, 'Request body must be JSON');

const requireJson: RequestHandler = (req, _res, next) => {
  const { 'content-length': length, 'transfer-encoding': chunked } = req.headers;
  if (chunked === undefined && (length === undefined || length === '0')) throw noJson();
  if (!req.is('application/json')) throw new HttpError(415, 'Content-Type must be application/json');
  const charset = /charset="?([^;"]*)/i.exec(req.headers['content-type'] ?? '')?.[1];
  if (charset !== undefined && !/^utf-?8$/i.test(charset.trim())) throw new HttpError(415, 'JSON must be in UTF-8');
  next();
};

const parseJson: RequestHandler = (req, _res, next) => {
  const bytes: unknown = req.body;
  // Decoding would replace what is not UTF-8, and something else than what was sent would be stored.
  if (!Buffer.isBuffer(bytes) || !isUtf8(bytes)) throw noJson();
  try {
    req.body = JSON.parse(bytes.toString());
  } catch {
    throw noJson();
  }
  next();
};

/** Puts any JSON value into req.body. 400 without one, 415 for another type, 413 over 64 kB. */
const jsonBody = [requireJson, express.raw({ type: 'application/json', limit: '64kb' }), parseJson];

/** The tasks API: parse, ask the store, answer. */
export function taskRoutes(store: TaskStore): Router {
  const router = Router({ caseSensitive: true, strict: true });

  const create: RequestHandler = async (req, res) => {
    const task = NewTask.parse(req.body);
    const created = 'idempotency-key' in req.headers ? createOnce(req.headers, task) : store.create(task);
    const { id, json } = await timed(res, created);
    res.status(201).location(`/api/tasks/${id}`);
    sendTask(res, id, json);
  };

  async function createOnce(headers: Request['headers'], task: NewTask) {
    const { 'idempotency-key': key } = IdempotencyKey.parse(headers);
    const outcome = await store.createOnce(key, task);
    if (outcome === 'running') throw new HttpError(409, 'A request with this Idempotency-Key is still running', { 'Retry-After': '1' });
    if (outcome === 'other task') throw new HttpError(422, 'This Idempotency-Key was used for another task');
    return outcome;
  }

  router
    .route('/api/tasks')
    .get(async (req, res) => {
      const query = ListQuery.parse(req.query);
      const { json, etag, nextCursor } = await timed(res, store.list(query));
      res.setHeader('ETag', etag);
      if (isKnown(req, etag)) return void res.status(304).end();
      if (nextCursor !== undefined) res.set('Link', `<${nextPage(query, nextCursor)}>; rel="next"`);
      sendJson(res, json);
    })
    .post(jsonBody, create)
    .all(methodNotAllowed('GET, HEAD, POST'));

  const change: RequestHandler<{ id: string }> = async (req, res) => {
    const { id } = TaskPath.parse(req.params);
    sendTask(res, id, await timed(res, store.update(id, TaskChange.parse(req.body))));
  };

  router
    .route('/api/tasks/:id')
    .get(async (req, res) => {
      const { id } = TaskPath.parse(req.params);
      sendTask(res, id, await timed(res, store.get(id)));
    })
    .put(jsonBody, change)
    .patch(jsonBody, change)
    .delete(async (req, res) => {
      const { id } = TaskPath.parse(req.params);
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
  res.setHeader('Server-Timing', `api;dur=${(now - res.locals.startedAt).toFixed(1)}, db;dur=${(now - askedAt).toFixed(1)}`);
  return got;
}

/**
 * Whether the client has what the tag names. Not req.fresh: it is never true for a browser's fetch, which adds `Cache-Control:
 * no-cache` to a condition of its own. nginx makes a tag weak when it compresses.
 */
function isKnown(req: Request, etag: string): boolean {
  return req.get('If-None-Match')?.split(',').some((tag) => tag.trim().replace(/^W\//, '') === etag) ?? false;
}

function nextPage({ limit, status, q }: ListQuery, cursor: string): string {
  const parameters = new URLSearchParams({ limit: String(limit), ...(status && { status }), ...(q && { q }), cursor });
  return `/api/tasks?${parameters.toString()}`;
}

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
