import { hash, timingSafeEqual } from 'node:crypto';
import type { RequestHandler } from 'express';
import { HttpError } from './errors.ts';

/** Requires `Authorization: Bearer <token>`. Compares hashes: they always have equal lengths. */
export function requireToken(token: string): RequestHandler {
  const expected = sha256(token);
  return (req, _res, next) => {
    const given = /^Bearer +(.+)$/i.exec(req.headers.authorization ?? '')?.[1];
    if (given !== undefined && timingSafeEqual(sha256(given), expected)) return next();
    throw new HttpError(401, 'A valid API token is required', {
      'WWW-Authenticate': 'Bearer realm="taskapp"',
    });
  };
}

const sha256 = (text: string) => hash('sha256', text, 'buffer');
