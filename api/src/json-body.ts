import { Buffer, isUtf8 } from 'node:buffer';
import express, { type RequestHandler } from 'express';
import { HttpError } from './errors.ts';

const noJson = () => new HttpError(400, 'Request body must be JSON');

const charset = /charset="?([^;"]*)/i;

/**
 * express.json() would skip a request without a body or with another type. It knows the charset as
 * utf-8 only; many clients write utf8.
 */
const requireJson: RequestHandler = (req, _res, next) => {
  const { 'content-length': length, 'transfer-encoding': chunked } = req.headers;
  if (chunked === undefined && (length === undefined || length === '0')) throw noJson();
  if (!req.is('application/json'))
    throw new HttpError(415, 'Content-Type must be application/json');
  const given = charset.exec(req.headers['content-type'] ?? '')?.[1];
  if (given !== undefined && !/^utf-?8$/i.test(given.trim()))
    throw new HttpError(415, 'JSON must be in UTF-8');
  req.headers['content-type'] = 'application/json';
  next();
};

const byteOrderMark = Buffer.from('\ufeff');

/**
 * express.json() would replace what is not UTF-8, but we must store what was sent. It would read an
 * empty body as {}, also one that is only a byte order mark.
 */
function requireUtf8(_req: unknown, _res: unknown, bytes: Buffer): void {
  const isEmpty = bytes.length === 0 || bytes.equals(byteOrderMark);
  if (isEmpty || !isUtf8(bytes)) throw noJson();
}

/** Puts any JSON value into req.body. 400 without one, 415 for another type, 413 over 64 kB. */
export const jsonBody = [
  requireJson,
  express.json({ strict: false, limit: '64kb', verify: requireUtf8 }),
];
