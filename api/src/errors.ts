import { STATUS_CODES } from 'node:http';
import type { ErrorRequestHandler, RequestHandler } from 'express';
import { ZodError } from 'zod';
import { DatabaseUnavailable, OutcomeUnknown } from './db-errors.ts';

declare global {
  namespace Express {
    interface Locals {
      /** When the request came in, from performance.now(), in milliseconds. */
      startedAt: number;
      /** What went wrong, for the request's log line. */
      error?: Error;
    }
  }
}

interface ErrorBody {
  error: string;
  details?: { path: string; message: string }[];
}

/** A response that is not a success. Throw it anywhere; errorHandler sends it. */
export class HttpError extends Error {
  override name = 'HttpError';
  readonly status: number;
  readonly headers: Record<string, string>;

  constructor(status: number, message: string, headers: Record<string, string> = {}) {
    super(message);
    this.status = status;
    this.headers = headers;
  }
}

/** The last route: no other matched the request. */
export const notFound: RequestHandler = () => {
  throw new HttpError(404, 'Not found');
};

/** The last handler of a route: the path does not take this method. Also answers OPTIONS. */
export function methodNotAllowed(allow: string): RequestHandler {
  return (req, res) => {
    if (req.method !== 'OPTIONS') throw new HttpError(405, 'Method not allowed', { Allow: allow });
    res.set('Allow', allow).status(204).end();
  };
}

// Express recognises an error handler by its four parameters.
export const errorHandler: ErrorRequestHandler = (err, _req, res, next) => {
  if (res.headersSent) return next(err);
  const { status, headers = {}, body } = answerTo(err);
  if (status >= 500) res.locals.error = err instanceof Error ? err : new Error(String(err));
  if (!res.hasHeader('Server-Timing'))
    res.set('Server-Timing', `api;dur=${(performance.now() - res.locals.startedAt).toFixed(1)}`);
  res.status(status).set(headers).json(body);
};

interface Answer {
  status: number;
  headers?: Record<string, string>;
  body: ErrorBody;
}

function answerTo(err: unknown): Answer {
  if (err instanceof HttpError) {
    return { status: err.status, headers: err.headers, body: { error: err.message } };
  }
  if (err instanceof ZodError) return { status: 400, body: validationBody(err) };
  if (err instanceof DatabaseUnavailable) {
    const body = { error: 'Database connection failed' };
    return { status: 503, headers: { 'Retry-After': '1' }, body };
  }
  if (err instanceof OutcomeUnknown) {
    const error = 'Database connection lost; the change may or may not have been stored';
    return { status: 504, body: { error } };
  }
  const status = clientErrorStatus(err);
  if (status === undefined) return { status: 500, body: { error: 'Internal server error' } };
  return { status, body: { error: clientErrorMessage(status, err) } };
}

/** `error` is the whole message, `details` the same by field. A missing field is reported alone. */
function validationBody({ issues }: ZodError): ErrorBody {
  const missing = issues.find((issue) => issue.code === 'custom' && issue.params?.missing);
  if (missing) return { error: missing.message };
  const details = issues.map(({ path, message }) => ({ path: path.join('.'), message }));
  const sentences = details.map(({ path, message }) => (path ? `'${path}' ${message}` : message));
  return { error: sentences.join('; '), details };
}

/** When Express or its body parser refuses a request, the error carries a 4xx status. */
function clientErrorStatus(err: unknown): number | undefined {
  if (!(err instanceof Error) || !('status' in err) || typeof err.status !== 'number')
    return undefined;
  return err.status >= 400 && err.status < 500 ? err.status : undefined;
}

// What to answer, by the `type` of the body parser's error.
const bodyErrors: Record<string, string> = {
  'encoding.unsupported': 'Content-Encoding must be gzip, deflate, br, zstd or absent',
  'entity.too.large': 'Request body is too large; the limit is 64 kB',
};

function clientErrorMessage(status: number, err: unknown): string {
  if (err instanceof URIError) return 'Path cannot be decoded';
  const type = err instanceof Error && 'type' in err ? String(err.type) : '';
  const otherwise =
    status === 400
      ? 'Request body does not match its Content-Length or Content-Encoding'
      : undefined;
  return bodyErrors[type] ?? otherwise ?? STATUS_CODES[status] ?? 'Bad request';
}
