// The contract as a function: the right answer to a request, from its bytes alone. It shares no
// code with the API.
import { isUtf8 } from 'node:buffer';
import { METHODS } from 'node:http';
import { brotliDecompressSync, gunzipSync, inflateSync, zstdDecompressSync } from 'node:zlib';

/** A request, as it is sent. Each character of `target` and of the headers is one byte. */
export interface Input {
  /** Its class of inputs. */
  kind: string;
  method: string;
  target: string;
  headers: Record<string, string>;
  body: Buffer;
}

export interface Task {
  id: number;
  title: string;
  status: string;
  created_at: string;
}
export type Fields = Pick<Task, 'title' | 'status'>;
export interface Filter {
  limit: number;
  status: string | undefined;
  q: string | undefined;
}

/** What must come back: the status, and exactly this text unless other fields say more. */
export interface Expected {
  status: number;
  text?: string;
  allow?: string;
  /** The fields of the task that must now exist. */
  created?: Fields;
  /** The tasks that may be listed. */
  listed?: Filter;
}

const wholeNumber = (max: number) => `must be a whole number from 1 to ${max}`;
const json = (status: number, body: object, allow?: string): Expected => ({
  status,
  text: JSON.stringify(body),
  ...(allow && { allow }),
});
const error = (status: number, message: string, allow?: string) =>
  json(status, { error: message }, allow);
const badRequest = error(400, 'Bad request');
const notFound = error(404, 'Not found');
const tooLarge = error(413, 'Request body is too large; the limit is 64 kB');
const anyMethod = 'GET, HEAD, POST, PUT, PATCH, DELETE';
const methodNotAllowed = (allow: string) => error(405, 'Method not allowed', allow);

const limits = { body: 65_536, line: 8_192, headers: 16_384, headerCount: 1_000 }; // bytes

/** `task` is the one with the id in the path, if any; `token` is the API token. */
export function expected(input: Input, task: Task | undefined, token: string): Expected {
  const { method, target, headers, body } = input;
  const whole = answerOfNginx(input) ?? answerOfApi();
  return method === 'HEAD' ? { ...whole, text: '' } : whole;

  function answerOfApi(): Expected {
    if (/[\x80-\xff]/.test(target)) return badRequest;
    if (!METHODS.includes(method)) return methodNotAllowed(anyMethod);
    const [, path = '', query = ''] = /^([^?#]*)\??([^#]*)/.exec(target) ?? [];
    const on = (allow: string, answer: () => Expected): Expected => {
      if (allow.split(', ').includes(method)) return answer();
      return method === 'OPTIONS' ? { status: 204, text: '', allow } : methodNotAllowed(allow);
    };
    if (path === '/healthz') return on('GET, HEAD', () => json(200, { status: 'healthy' }));
    if (path === '/') return on('GET, HEAD', () => ({ status: 200 }));
    if (/^\/api(\/|$)/.test(path) && headers.authorization !== `Bearer ${token}`)
      return error(401, 'A valid API token is required');
    const change = method === 'PUT' || method === 'PATCH';
    if (path === '/api/tasks')
      return on('GET, HEAD, POST', () => (method === 'POST' ? created() : list(query)));

    const segment = /^\/api\/tasks\/([^/]+)$/.exec(path)?.[1];
    if (segment === undefined) return notFound;
    const decoded = percentDecoded(segment);
    if (!isUtf8(decoded)) return error(400, 'Path cannot be decoded');
    return on('GET, HEAD, PUT, PATCH, DELETE', () =>
      change ? changed(decoded.toString()) : found(decoded.toString()),
    );
  }

  function created(): Expected {
    const value = bodyValue();
    if (!('json' in value)) return value.refused;
    if (!isObject(value.json)) return invalid([['', 'Request body must be a JSON object']]);
    const { title, status = 'pending' } = value.json;
    if (title === undefined) return error(400, "Missing 'title' in request body");
    const wrong = [...faults('title', title, 255), ...faults('status', status, 50)];
    return wrong.length > 0
      ? invalid(wrong)
      : {
          status: 201,
          created: { title: (title as string).trim(), status: (status as string).trim() },
        };
  }

  function changed(id: string): Expected {
    const value = bodyValue();
    if (!('json' in value)) return value.refused;
    return withTask(id, (before) => {
      if (!isObject(value.json)) return invalid([['', 'Request body must be a JSON object']]);
      const { title, status } = value.json;
      const wrong = [
        ...(title === undefined ? [] : faults('title', title, 255)),
        ...(status === undefined ? [] : faults('status', status, 50)),
      ];
      if (wrong.length > 0) return invalid(wrong);
      if (title === undefined && status === undefined)
        return invalid([['', 'Give at least one of: title, status']]);
      if (!before) return error(404, `Task ${Number(id)} not found`);
      const after = { title: title ?? before.title, status: status ?? before.status } as Fields;
      return json(200, {
        task: {
          id: before.id,
          title: after.title.trim(),
          status: after.status.trim(),
          created_at: before.created_at,
        },
      });
    });
  }

  function found(id: string): Expected {
    return withTask(id, (before) => {
      if (!before) return error(404, `Task ${Number(id)} not found`);
      return json(
        200,
        method === 'DELETE' ? { message: `Task ${before.id} deleted` } : { task: before },
      );
    });
  }

  function withTask(id: string, answer: (before: Task | undefined) => Expected): Expected {
    if (!/^[0-9]+$/.test(id) || Number(id) < 1 || Number(id) > 2_147_483_647)
      return invalid([['id', wholeNumber(2_147_483_647)]]);
    return answer(task?.id === Number(id) ? task : undefined);
  }

  /** The JSON value of the body, or the answer if there is none. */
  function bodyValue(): { json: unknown } | { refused: Expected } {
    const noJson = { refused: error(400, 'Request body must be JSON') };
    if (body.length === 0 && headers['transfer-encoding'] === undefined) return noJson;
    const [type = '', ...parameters] = (headers['content-type'] ?? '')
      .toLowerCase()
      .split(';')
      .map((part) => part.trim());
    if (type !== 'application/json')
      return { refused: error(415, 'Content-Type must be application/json') };
    const charset = parameters
      .find((parameter) => parameter.startsWith('charset='))
      ?.slice('charset='.length)
      .replaceAll('"', '');
    if (charset !== undefined && !['utf-8', 'utf8'].includes(charset))
      return { refused: error(415, 'JSON must be in UTF-8') };
    let bytes = body;
    const encoding = (headers['content-encoding'] ?? 'identity').toLowerCase();
    const decompress = {
      gzip: gunzipSync,
      deflate: inflateSync,
      br: brotliDecompressSync,
      zstd: zstdDecompressSync,
    }[encoding];
    if (decompress) {
      try {
        bytes = decompress(body);
      } catch {
        return {
          refused: error(400, 'Request body does not match its Content-Length or Content-Encoding'),
        };
      }
      if (bytes.length > limits.body) return { refused: tooLarge };
    } else if (encoding !== 'identity') {
      return { refused: error(415, 'Content-Encoding must be gzip, deflate, br, zstd or absent') };
    }
    if (!isUtf8(bytes)) return noJson;
    try {
      return { json: JSON.parse(bytes.toString().replace(/^\ufeff/, '')) };
    } catch {
      return noJson;
    }
  }
}

/** What nginx answers without asking the API; undefined if it asks. */
function answerOfNginx({ method, target, headers, body }: Input): Expected | undefined {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`.length);
  if (`${method} ${target} HTTP/1.1\r\n`.length > limits.line)
    return error(414, 'Request URI is too long');
  if (!/^[A-Z_-]+$/.test(method) || !target.startsWith('/') || /[\0-\x20\x7f]/.test(target))
    return badRequest;
  const path = /^[^?#]*/.exec(target)?.[0] ?? '';
  if (/%(?![0-9a-f]{2})|%00/i.test(path)) return badRequest;
  const normal: string[] = [];
  const decoded = percentDecoded(path).toString('latin1');
  for (const segment of decoded.split('/')) {
    if (segment === '..' && normal.pop() === undefined) return badRequest;
    if (segment !== '' && segment !== '.' && segment !== '..') normal.push(segment);
  }
  const total = lines.reduce((sum, length) => sum + length, 0);
  if (
    Math.max(...lines) > limits.line ||
    lines.length > limits.headerCount ||
    total > limits.headers
  )
    return error(431, 'Request headers are too large');
  if (method === 'TRACE')
    return methodNotAllowed(path === '/nginx-health' ? 'GET, HEAD' : anyMethod);
  if (body.length > limits.body) return tooLarge;
  const folder = /\/\.{0,2}$/.test(decoded) ? '/' : ''; // a slash at the end makes another name
  const name = `/${normal.join('/')}${normal.length > 0 ? folder : ''}`;
  if (name === '/nginx-health')
    return ['GET', 'HEAD'].includes(method)
      ? { status: 200, text: 'healthy\n' }
      : methodNotAllowed('GET, HEAD');
  if (['/livez', '/error'].includes(name)) return notFound;
  return undefined;
}

type Fault = [path: string, message: string];

function invalid(wrong: Fault[]): Expected {
  const sentences = wrong.map(([path, message]) => (path ? `'${path}' ${message}` : message));
  return json(400, {
    error: sentences.join('; '),
    details: wrong.map(([path, message]) => ({ path, message })),
  });
}

/** What is wrong with a text. It is trimmed first, unless it comes from the query. */
function faults(
  path: string,
  raw: unknown,
  max: number,
  { trim = true, empty = false } = {},
): Fault[] {
  if (typeof raw !== 'string') return [[path, 'must be a string']];
  const text = trim ? raw.trim() : raw;
  const wrong: Fault[] = [];
  if (/[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/.test(text))
    wrong.push([path, 'must be valid Unicode']);
  if (text.includes('\0')) wrong.push([path, 'must not contain the NUL character']);
  if (Array.from(text).length > max) wrong.push([path, `must be at most ${max} characters long`]);
  if (text === '' && !empty) wrong.push([path, 'must not be empty']);
  return wrong;
}

function list(query: string): Expected {
  const values = new Map<string, string[]>();
  for (const pair of query.split('&').filter((text) => text !== '')) {
    const [name = '', ...rest] = pair
      .split('=')
      .map((text) => percentDecoded(text.replaceAll('+', ' ')));
    const value = Buffer.from(rest.map((part) => part.toString('latin1')).join('='), 'latin1');
    const key = name.toString();
    values.set(key, [...(values.get(key) ?? []), isUtf8(value) ? value.toString() : '\ud800']);
  }
  const wrong: Fault[] = [];
  const parameter = (path: string, check: (value: string) => Fault[]): string | undefined => {
    const given = values.get(path) ?? [];
    wrong.push(
      ...(given.length > 1 ? [[path, 'must be given once'] satisfies Fault] : given.flatMap(check)),
    );
    return given[0];
  };
  const limit = parameter('limit', (value) =>
    /^[0-9]+$/.test(value) && Number(value) >= 1 && Number(value) <= 500
      ? []
      : [['limit', wholeNumber(500)]],
  );
  const status = parameter('status', (value) => faults('status', value, 50, { trim: false }));
  const q = parameter('q', (value) => faults('q', value, 255, { trim: false, empty: true }));
  parameter('cursor', (value) =>
    isCursor(value) ? [] : [['cursor', "must be the 'next_cursor' of an earlier response"]],
  );
  return wrong.length > 0
    ? invalid(wrong)
    : { status: 200, listed: { limit: Number(limit ?? 100), status, q } };
}

function isCursor(text: string): boolean {
  try {
    const parts: unknown = JSON.parse(Buffer.from(text, 'base64url').toString());
    if (!Array.isArray(parts) || parts.length !== 2) return false;
    const [time, id] = parts as unknown[];
    if (
      typeof time !== 'string' ||
      !/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00$/.test(time) ||
      time.startsWith('0000')
    )
      return false;
    // 31 February does not exist.
    if (!new Date(time).toISOString().startsWith(time.slice(0, 19))) return false;
    return Number.isInteger(id) && (id as number) >= 1 && (id as number) <= 2_147_483_647;
  } catch {
    return false;
  }
}

/** Decodes the escapes; a % that begins none stays. */
function percentDecoded(text: string): Buffer {
  return Buffer.from(
    text.replaceAll(/%([0-9a-f]{2})/gi, (_, hex: string) =>
      String.fromCharCode(Number.parseInt(hex, 16)),
    ),
    'latin1',
  );
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
