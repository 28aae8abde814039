/** An answer that is not a success, and no fault of this program. */
export class HttpError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

const limit = 100_000;

/** The JSON object in a request; an empty one for methods without a body. */
export async function bodyOf(request) {
  if (request.method !== 'POST' && request.method !== 'PATCH') return {};
  const type = request.headers['content-type'] ?? '';
  if (!type.startsWith('application/json')) throw new HttpError(415, 'Send application/json');
  let text = '';
  for await (const chunk of request.setEncoding('utf8')) {
    text += chunk;
    if (text.length > limit) throw new HttpError(413, 'The body is too large');
  }
  return objectIn(text);
}

function objectIn(text) {
  let value;
  try {
    value = JSON.parse(text);
  } catch {
    throw new HttpError(400, 'The body is not valid JSON');
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new HttpError(400, 'The body is not an object');
  return value;
}

export function send(response, { status = 200, headers = {}, body }) {
  if (body === undefined) {
    response.writeHead(status, headers).end();
    return;
  }
  response.writeHead(status, { 'Content-Type': 'application/json; charset=utf-8', ...headers });
  response.end(JSON.stringify(body));
}
