// One HTTP request with a limit of time, over TLS as well.
import { request as overHttp } from 'node:http';
import { request as overHttps } from 'node:https';

export interface Answer {
  status: number;
  type: string;
  location: string;
  text: string;
  /** The body; undefined where it is not JSON. */
  json: unknown;
}

export interface Call {
  method?: string;
  headers?: Record<string, string>;
  /** Sent as JSON, or a string as it is. */
  body?: unknown;
}

export interface Trust {
  /** Certificates to trust instead of the well-known ones. */
  ca?: Buffer;
  /** Do not check the certificate. */
  insecure?: boolean;
}

export const limitMs = 6_000;

/** Resolves when the answer was read in full, rejects without one. A new connection each time. */
export function ask(url: URL, { method = 'GET', headers = {}, body }: Call, { ca, insecure = false }: Trust): Promise<Answer> {
  const text = typeof body === 'string' || body === undefined ? body : JSON.stringify(body);
  const options = {
    method,
    agent: false,
    headers: { ...(text !== undefined && { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(text) }), Accept: '*/*', ...headers },
    signal: AbortSignal.timeout(limitMs),
  };
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const call = url.protocol === 'https:' ? overHttps(url, { ...options, ...(ca && { ca }), rejectUnauthorized: !insecure }) : overHttp(url, options);
  call.on('response', (response) => {
    const chunks: Buffer[] = [];
    response.on('data', (chunk: Buffer) => chunks.push(chunk)).on('error', reject);
    response.on('end', () => {
      const all = Buffer.concat(chunks).toString();
      const { 'content-type': type = '', location = '' } = response.headers;
      resolve({ status: response.statusCode ?? 0, type, location, text: all, json: parse(all) });
    });
  });
  call.on('error', (error: NodeJS.ErrnoException & { errors?: Error[] }) => {
    if (error.name === 'AbortError' || error.name === 'TimeoutError') reject(new Error(`no answer within ${limitMs / 1_000} s`));
    else reject(new Error(error.message || (error.errors?.map(({ message }) => message).join(', ') ?? String(error.code))));
  });
  call.end(text);
  return promise;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
