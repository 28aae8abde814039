// One HTTP request with a limit of time, over TLS as well, and never by way of a proxy.
import { request as overHttp } from 'node:http';
import { request as overHttps } from 'node:https';
import { isIP } from 'node:net';
import { checkServerIdentity, connect, type PeerCertificate } from 'node:tls';

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
  /** Whom to ask for, and whose certificate it must be; the host of the address unless given. */
  name?: string | undefined;
}

export const limitMs = 6_000;

/** What TLS is told to trust, and whom to ask for. */
function tlsOptions({ ca, insecure = false, name }: Trust) {
  return {
    ...(ca && { ca }),
    rejectUnauthorized: !insecure,
    ...(name !== undefined && {
      servername: isIP(name) ? '' : name, // an address is no name for TLS
      checkServerIdentity: (_host: string, certificate: PeerCertificate) =>
        checkServerIdentity(name, certificate),
    }),
  };
}

const bare = (url: URL) => url.hostname.replace(/^\[(.*)\]$/, '$1');
const inUrl = (name: string) => (isIP(name) === 6 ? `[${name}]` : name);

/** A name of a server's certificate: the host of the address where it is one. */
export function certificateName(url: URL): Promise<string | undefined> {
  const host = bare(url);
  const servername = isIP(host) ? '' : host;
  const port = Number(url.port || 443);
  const { promise, resolve } = Promise.withResolvers<string | undefined>();
  const socket = connect({ host, port, servername, rejectUnauthorized: false, timeout: limitMs });
  socket.on('secureConnect', () => {
    const certificate = socket.getPeerCertificate();
    resolve(checkServerIdentity(host, certificate) === undefined ? host : firstName(certificate));
    socket.destroy();
  });
  socket.on('timeout', () => socket.destroy());
  socket.on('error', () => undefined);
  socket.on('close', () => resolve(undefined)); // after a name this changes nothing
  return promise;
}

function firstName({ subjectaltname = '', subject }: PeerCertificate): string | undefined {
  const [, name] = /(?:DNS|IP Address):([^\s,]+)/.exec(subjectaltname) ?? [];
  const common = [subject?.CN].flat()[0]; // there is no subject where there is no certificate
  return (name ?? common)?.replace(/^\*/, 'www');
}

/** Resolves when the answer was read in full, rejects without one. A new connection each time. */
export function ask(
  url: URL,
  { method = 'GET', headers = {}, body }: Call,
  trust: Trust,
): Promise<Answer> {
  const text = typeof body === 'string' || body === undefined ? body : JSON.stringify(body);
  const { name } = trust;
  const options = {
    method,
    agent: false, // the global one may use the proxies of the environment
    headers: {
      ...(text !== undefined && {
        'Content-Type': 'application/json',
        'Content-Length': Buffer.byteLength(text),
      }),
      ...(name !== undefined && { Host: `${inUrl(name)}:${url.port || 443}` }),
      Accept: '*/*',
      ...headers,
    },
    signal: AbortSignal.timeout(limitMs),
  };
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const call =
    url.protocol === 'https:'
      ? overHttps(url, { ...options, ...tlsOptions(trust) })
      : overHttp(url, options);
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
    if (error.name === 'AbortError' || error.name === 'TimeoutError')
      reject(new Error(`no answer within ${limitMs / 1_000} s`));
    else
      reject(
        new Error(
          error.message ||
            (error.errors?.map(({ message }) => message).join(', ') ?? String(error.code)),
        ),
      );
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
