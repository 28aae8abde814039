import { createRequire } from 'node:module';
import { dirname } from 'node:path';
import { type RequestHandler, Router } from 'express';
import { methodNotAllowed } from './errors.ts';
import { openApi } from './openapi.ts';

const page = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Task API</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/api/docs/swagger-ui.css">
<div id="viewer"></div>
<script src="/api/docs/swagger-ui-bundle.js"></script>
<script src="/api/docs/start.js"></script>
</html>
`;
const viewerOptions = { url: '/api/openapi.json', dom_id: '#viewer', deepLinking: true };
const start = `SwaggerUIBundle(${JSON.stringify(viewerOptions)});\n`;
// Allows only what this server sends. The viewer's icons are `data:` URLs in its style sheet.
const policy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  'img-src data:',
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

const viewer = dirname(createRequire(import.meta.url).resolve('swagger-ui-dist/package.json'));

/**
 * Whether a path below /api belongs to the documentation, which holds no data and needs no token.
 */
export const isDocs = (path: string) => /^\/(docs|openapi\.json)(\/|$)/.test(path);

/** The documentation, as OpenAPI and as a page. */
export function docsRoutes(version: string, tokenNeeded: boolean): Router {
  const router = Router({ caseSensitive: true, strict: true });
  const get = (path: string, handler: RequestHandler) =>
    router.route(path).get(handler).all(methodNotAllowed('GET, HEAD'));
  const document = JSON.stringify(openApi(version, tokenNeeded));

  get('/api/openapi.json', (_req, res) => void res.type('json').send(document));
  get(
    '/api/docs',
    (_req, res) => void res.set('Content-Security-Policy', policy).type('html').send(page),
  );
  get('/api/docs/start.js', (_req, res) => void res.type('js').send(start));
  for (const file of ['swagger-ui.css', 'swagger-ui-bundle.js']) {
    get(`/api/docs/${file}`, (_req, res) => {
      // Browsers keep the file, and ask each time whether it has changed.
      res.set('Cache-Control', 'no-cache');
      res.sendFile(file, { root: viewer });
    });
  }
  return router;
}
