import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import express, { type RequestHandler } from 'express';

/** The web page where no nginx serves it: the same files under the same paths, with the same headers. */
export function webPage(directory: string): RequestHandler[] {
  const isForBrowser: RequestHandler = (req, res, next) => {
    if (req.path === '/nginx-health') return void res.status(204).end(); // the page learns that there is no nginx
    const isRead = req.method === 'GET' || req.method === 'HEAD';
    if (isRead && req.path === '/' && /text\/html/i.test(req.get('Accept') ?? ''))
      req.url = '/index.html';
    next();
  };
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
  return [isForBrowser, files];
}
