import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import express, { type RequestHandler } from 'express';

/** The web page where no nginx serves it: the same files, paths and headers. */
export function webPage(directory: string): RequestHandler[] {
  const policyFile = join(directory, '../content-security-policy.txt'); // the one that nginx sends
  const policy = readFileSync(policyFile, 'utf8').trim().replaceAll('\n', ' ');
  const files = express.static(directory, {
    index: false,
    redirect: false,
    cacheControl: false,
    setHeaders: (res, path) => {
      res.setHeader('Cache-Control', 'no-cache');
      res.setHeader('X-Content-Type-Options', 'nosniff');
      res.setHeader('Referrer-Policy', 'no-referrer');
      res.setHeader('X-Frame-Options', 'DENY');
      res.setHeader('Cross-Origin-Resource-Policy', 'same-origin');
      if (!path.endsWith('/index.html')) return;
      res.setHeader('Content-Security-Policy', policy);
      res.setHeader('Vary', 'Accept');
    },
  });
  return [noNginx, pageForBrowsers, files];
}

/** The page asks for /nginx-health to learn whether there is an nginx. */
const noNginx: RequestHandler = (req, res, next) => {
  if (req.path !== '/nginx-health') return next();
  res.status(204).end();
};

const pageForBrowsers: RequestHandler = (req, _res, next) => {
  const isRead = req.method === 'GET' || req.method === 'HEAD';
  const wantsHtml = /text\/html/i.test(req.get('Accept') ?? '');
  if (isRead && wantsHtml && req.path === '/') req.url = '/index.html';
  next();
};
