import { createServer } from 'node:http';
import { pool } from './db.js';
import { bodyOf, HttpError, send } from './http.js';
import { health } from './routes/health.js';
import { tasks } from './routes/tasks.js';

const routes = [...health, ...tasks];

async function handle(request, response) {
  const { pathname, searchParams: query } = new URL(request.url, 'http://api');
  const route = routes.find(({ method, path }) => method === request.method && path.test(pathname));
  if (!route) throw new HttpError(404, `Cannot ${request.method} ${pathname}`);
  const [, id] = route.path.exec(pathname);
  send(response, await route.run({ id, query, body: await bodyOf(request) }));
}

function fail(response, error) {
  if (!(error instanceof HttpError)) console.error(error);
  const isExpected = error instanceof HttpError;
  const status = isExpected ? error.status : 500;
  const message = isExpected ? error.message : 'Internal server error';
  send(response, { status, body: { error: message } });
}

const server = createServer((request, response) => {
  handle(request, response).catch((error) => fail(response, error));
});
const port = Number(process.env.PORT ?? 3000);
server.listen(port, () => console.log(`listening on port ${port}`));

for (const signal of ['SIGINT', 'SIGTERM'])
  process.once(signal, () => server.close(() => void pool.end()));
