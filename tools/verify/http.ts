// One HTTP or HTTPS request with a time limit, never through a proxy.
import { type IncomingMessage, request as overHttp, type RequestOptions } from 'node:http';
import { request as overHttps } from 'node:https';
import { isIP } from 'node:net';
import { checkServerIdentity, connect, type PeerCertificate } from 'node:tls';
import { say } from './texts.ts';

export interface Answer {
  status: number;
  /** The Content-Type; empty without one, as are `location` and `retryAfter`. */
  type: string;
  location: string;
  retryAfter: string;
  text: string;
  /** The body; undefined if it is not JSON. */
  json: unknown;
}

export interface Call {
  method?: string;
  headers?: Record<string, string>;
  /** A string is sent as it is, anything else as JSON. */
  body?: unknown;
}

export interface Trust {
  /** Certificates to trust instead of the well-known ones. */
  ca?: Buffer;
  /** Do not check the certificate. */
  insecure?: boolean;
  /** The host to ask for, and to expect in the certificate; by default, the host of the URL. */
  name?: string | undefined;
}

const limitMs = 6_000;
const maxBytes = 16 * 1024 * 1024; // of a body

/** TLS has names for hosts only: an address is sent as no name. */
const serverName = (host: string) => (isIP(host) ? '' : host);

function tlsOptions({ ca, insecure = false, name }: Trust) {
  const expectName = name !== undefined && {
    servername: serverName(name),
    checkServerIdentity: (_host: string, certificate: PeerCertificate) =>
      checkServerIdentity(name, certificate),
  };
  return { ...(ca && { ca }), rejectUnauthorized: !insecure, ...expectName };
}

const hostOf = (url: URL) => url.hostname.replace(/^\[(.*)\]$/, '$1');
const inUrl = (host: string) => (isIP(host) === 6 ? `[${host}]` : host);

/**
 * A name that the server's certificate is valid for: the URL's own host if possible.
 * Undefined if nothing answers there with TLS.
 */
export function certificateName(url: URL): Promise<string | undefined> {
  const host = hostOf(url);
  const port = Number(url.port || 443);
  const { promise, resolve } = Promise.withResolvers<string | undefined>();
  const socket = connect({
    host,
    port,
    servername: serverName(host),
    rejectUnauthorized: false, // the request itself checks it
    timeout: limitMs,
  });
  socket.on('secureConnect', () => {
    const certificate = socket.getPeerCertificate();
    const isForHost = checkServerIdentity(host, certificate) === undefined;
    resolve(isForHost ? host : firstName(certificate));
    socket.destroy();
  });
  socket.on('timeout', () => socket.destroy());
  socket.on('error', () => undefined);
  socket.on('close', () => resolve(undefined)); // no effect after a name
  return promise;
}

function firstName({ subjectaltname = '', subject }: PeerCertificate): string | undefined {
  const [, name] = /(?:DNS|IP Address):([^\s,]+)/.exec(subjectaltname) ?? [];
  const common = [subject?.CN].flat()[0]; // without a certificate there is no subject
  return (name ?? common)?.replace(/^\*/, 'www');
}

function headersFor(url: URL, text: string | undefined, { name }: Trust) {
  return {
    ...(text !== undefined && {
      'Content-Type': 'application/json',
      'Content-Length': Buffer.byteLength(text),
    }),
    ...(name !== undefined && { Host: `${inUrl(name)}:${url.port || 443}` }),
    Accept: '*/*',
  };
}

/**
 * Sends one request over a new connection, and resolves when the answer was read in full.
 * Rejects if there is none within 6 s, or the connection fails.
 */
export function ask(
  url: URL,
  { method = 'GET', headers = {}, body }: Call,
  trust: Trust,
): Promise<Answer> {
  const isText = typeof body === 'string' || body === undefined;
  const text = isText ? body : JSON.stringify(body);
  const options: RequestOptions = {
    method,
    agent: false, // the global agent may use the proxies of the environment
    headers: { ...headersFor(url, text, trust), ...headers },
    signal: AbortSignal.timeout(limitMs),
  };
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const isTls = url.protocol === 'https:';
  const call = isTls
    ? overHttps(url, { ...options, ...tlsOptions(trust) })
    : overHttp(url, options);
  call.on('response', (response) => {
    response.on('error', (error: Error) => reject(readable(error)));
    readAnswer(response, resolve);
  });
  call.on('error', (error: Error) => reject(readable(error)));
  call.end(text);
  return promise;
}

function readAnswer(response: IncomingMessage, onEnd: (answer: Answer) => void): void {
  const chunks: Buffer[] = [];
  let size = 0;
  response.on('data', (chunk: Buffer) => {
    size += chunk.length;
    if (size <= maxBytes) chunks.push(chunk);
    else response.destroy(new Error(say('shared.body-too-large', { size: maxBytes / 2 ** 20 })));
  });
  response.on('end', () => {
    const text = Buffer.concat(chunks).toString();
    const {
      'content-type': type = '',
      location = '',
      'retry-after': retryAfter = '',
    } = response.headers;
    const status = response.statusCode ?? 0;
    onEnd({ status, type, location, retryAfter, text, json: parse(text) });
  });
}

/** An error with a message that a person can use. */
function readable(error: NodeJS.ErrnoException & { errors?: Error[] }): Error {
  if (error.name === 'AbortError' || error.name === 'TimeoutError')
    return new Error(say('shared.no-answer-in-time', { seconds: limitMs / 1_000 }));
  // Node leaves the message empty if it has tried several addresses.
  const causes = error.errors?.map(({ message }) => message).join(', ');
  return new Error(error.message || (causes ?? String(error.code)));
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
