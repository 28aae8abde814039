import { randomUUID, timingSafeEqual } from 'node:crypto';
import express, { type Request, type RequestHandler, type Response } from 'express';
import type { Logger } from 'pino';
import { DatabaseUnavailable, OutcomeUnknown } from './db-errors.ts';
import { HttpError } from './errors.ts';
import type { Metrics } from './metrics.ts';
import type { Phase } from './shutdown.ts';

// What a request goes through before its handler, in this order.

/**
 * One log line and one count per request, and the X-Request-Id that identifies the line. An id that
 * the proxy or the client sent is kept if it is well-formed.
 */
export function requestLog(log: Logger, metrics: Metrics): RequestHandler {
  return (req, res, next) => {
    const startedAt = performance.now();
    res.locals.startedAt = startedAt;
    metrics.requestStarted();
    const id = requestId(req);
    res.setHeader('X-Request-Id', id);

    // 'close' comes after the last byte, or earlier if the client goes away.
    res.on('close', () => {
      const isAnswered = res.writableFinished;
      const status = isAnswered ? res.statusCode : 499; // nginx's code for a client that went away
      const durationMs = performance.now() - startedAt;
      metrics.requestEnded(req, status, durationMs / 1_000);
      const level = levelOf(req, res);
      if (!log.isLevelEnabled(level)) return;
      const line = {
        request_id: id,
        req: { method: req.method, url: req.originalUrl },
        res: { status },
        duration_ms: Math.round(durationMs),
        ...cause(res.locals.error),
      };
      const message = isAnswered ? 'request completed' : 'request aborted';
      log[level](line, message);
    });
    next();
  };
}

function requestId(req: Request): string {
  const given = req.headers['x-request-id'];
  const isWellFormed = typeof given === 'string' && /^[A-Za-z0-9_-]{16,64}$/.test(given);
  return isWellFormed ? given : randomUUID();
}

const probes = new Set(['/healthz', '/livez', '/metrics']);

function levelOf(req: Request, res: Response): 'error' | 'info' | 'trace' {
  const isRefusal = res.statusCode === 502; // we are shutting down, and another replica answers
  if (res.statusCode >= 500 && !isRefusal) return 'error';
  return probes.has(req.path) ? 'trace' : 'info';
}

/** An unreachable database is not a bug: log one line, no stack. */
function cause(error: Error | undefined): object {
  if (!error) return {};
  const isExplained = error instanceof DatabaseUnavailable || error instanceof OutcomeUnknown;
  return isExplained ? { cause: `${error.name}: ${error.message}` } : { err: error };
}

/** X-Served-By names the replica. `phase` is the phase of the shutdown. */
export function commonHeaders(phase: () => Phase, replica: string | undefined): RequestHandler {
  return (_req, res, next) => {
    res.setHeader('Cache-Control', 'no-store');
    if (replica !== undefined) res.setHeader('X-Served-By', replica);
    // With this header, the proxy does not use the connection again.
    if (phase() !== 'serving') res.setHeader('Connection', 'close');
    // The API's only 502: nginx then asks another replica, whatever the method.
    if (phase() === 'leaving')
      throw new HttpError(502, 'The API is shutting down', { 'Retry-After': '1' });
    next();
  };
}

/**
 * Requires `Authorization: Bearer` with one of the tokens, except for public paths. How long the
 * comparison takes tells nothing about a token but its length, which is no secret.
 */
export function requireToken(
  tokens: string[],
  isPublic: (path: string) => boolean,
): RequestHandler {
  const expected = tokens.map((token) => Buffer.from(token));
  const isRight = (given: Buffer) =>
    expected.some((token) => token.length === given.length && timingSafeEqual(token, given));
  return (req, _res, next) => {
    if (isPublic(req.path)) return next();
    const given = /^Bearer +(.+)$/i.exec(req.headers.authorization ?? '')?.[1];
    if (given !== undefined && isRight(Buffer.from(given))) return next();
    throw new HttpError(401, 'A valid API token is required', {
      'WWW-Authenticate': 'Bearer realm="taskapp"',
    });
  };
}

const noJson = () => new HttpError(400, 'Request body must be JSON');

const charset = /charset="?([^;"]*)/i;

/** Refuses a request without a body, or of a type that is not JSON: express.raw() accepts both. */
const requireJson: RequestHandler = (req, _res, next) => {
  const { 'content-length': length, 'transfer-encoding': chunked } = req.headers;
  if (chunked === undefined && (length === undefined || length === '0')) throw noJson();
  if (!req.is('application/json'))
    throw new HttpError(415, 'Content-Type must be application/json');
  const given = charset.exec(req.headers['content-type'] ?? '')?.[1];
  if (given !== undefined && !/^utf-?8$/i.test(given.trim()))
    throw new HttpError(415, 'JSON must be in UTF-8');
  next();
};

const utf8 = new TextDecoder('utf-8', { fatal: true });

/** Refuses bytes that are not UTF-8: express.json() would replace them, and change the text. */
const parseJson: RequestHandler = (req, _res, next) => {
  try {
    req.body = JSON.parse(utf8.decode(req.body as Buffer));
  } catch {
    throw noJson();
  }
  next();
};

/**
 * Puts any JSON value into req.body. Answers 400 if there is none, 415 for another type, 413 for
 * more than 64 kB.
 */
export const jsonBody = [
  requireJson,
  express.raw({ limit: '64kb', type: () => true }), // requireJson has looked at the type
  parseJson,
];
