import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';

const parseErrors: Record<string, [status: string, error: string]> = {
  HPE_INVALID_METHOD: ['405 Method Not Allowed', 'Method not allowed'],
  HPE_HEADER_OVERFLOW: ['431 Request Header Fields Too Large', 'Request headers are too large'],
  ERR_HTTP_REQUEST_TIMEOUT: ['408 Request Timeout', 'Request timed out'],
};

const responses = new WeakMap<Duplex, ServerResponse[]>();

/** The unfinished responses of a connection, oldest first. They finish in this order. */
function unfinished(socket: Duplex): ServerResponse[] {
  const list = responses.get(socket) ?? [];
  while (list[0]?.writableFinished) list.shift();
  return list;
}

/** Call it for each request: answerParseError must know which answers come before its own. */
export function trackResponse({ socket }: IncomingMessage, res: ServerResponse): void {
  const list = unfinished(socket);
  list.push(res);
  responses.set(socket, list);
}

/** Answers on the socket: what Node's HTTP parser refuses never reaches Express. */
export function answerParseError(err: NodeJS.ErrnoException, socket: Duplex): void {
  const [answering] = unfinished(socket);
  // If the request being answered is complete, the error is in a later one. Finish the answer, then
  // close the connection: the client would take anything sent now as part of that answer.
  if (answering && (answering.req.complete || answering.headersSent)) {
    answering.shouldKeepAlive = false;
    return;
  }
  if (socket.writable) socket.end(answerTo(err.code ?? ''));
  else socket.destroy();
}

function answerTo(code: string): string {
  const [status, error] = parseErrors[code] ?? ['400 Bad Request', 'Bad request'];
  const body = JSON.stringify({ error });
  const head = [
    `HTTP/1.1 ${status}`,
    'Content-Type: application/json; charset=utf-8',
    `Content-Length: ${body.length}`,
    `X-Request-Id: ${randomUUID()}`,
    'Connection: close',
  ];
  if (code === 'HPE_INVALID_METHOD') head.push('Allow: GET, HEAD, POST, PUT, PATCH, DELETE');
  return `${head.join('\r\n')}\r\n\r\n${body}`;
}
