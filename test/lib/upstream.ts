// A stand-in for the API behind nginx, with faults that a real one rarely shows: `?fault=NAME` in a
// request, or as an argument for all requests. Prints each request that it receives as a line.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';

const faults: Record<string, (response: ServerResponse) => void> = {
  /** Like an API that is killed after the commit. */
  'no answer': (response) => response.socket?.destroy(),
  'a broken header': (response) => response.socket?.end('HTTP/1.1 200 OK\r\nX-\0: x\r\n\r\n'),
  'half an answer': (response) => {
    response.writeHead(200, { 'Content-Length': 100 }).write('{"tasks":');
    setTimeout(() => response.socket?.destroy(), 50);
  },
  'its own 503': (response) => response.writeHead(503).end('{"error":"its own"}'),
  'shutting down': (response) => response.writeHead(502).end('{"error":"shutting down"}'),
  silence: () => {},
};

function answer(request: IncomingMessage, response: ServerResponse): void {
  const { pathname, searchParams } = new URL(request.url ?? '/', 'http://upstream');
  console.log(`${request.method} ${pathname}`);
  const fault = faults[searchParams.get('fault') ?? process.argv[2] ?? ''];
  if (fault) fault(response);
  else response.setHeader('Content-Type', 'application/json').end(JSON.stringify(request.headers));
}

// Reads the whole request first, as an API that carries it out does.
const server = createServer((request, response) => {
  request.resume().on('end', () => answer(request, response));
});
server.listen(8080, () => console.log('listening'));
process.on('SIGTERM', () => process.exit());
