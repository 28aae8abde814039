// The protocol, byte by byte: no request gets past nginx unseen, and no client poses as another.
import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { Production } from '../lib/production.ts';
import { full, measured } from './figures.ts';
import { linesThatAreNotJson, logLines } from './logs.ts';
import { type End, vectors } from './smuggling.ts';

/** An error as JSON, after which the connection is closed. */
const lastError =
  /^HTTP\/1\.1 (400|405|501|505) [^]+\r\nConnection: close\r\n[^]*\r\n\{"error":"[^"]+"\}$/i;

interface Exchange {
  statuses: number[];
  /** All that came back. */
  text: string;
  isClosed: boolean;
}

describe.skipIf(inject('notRunBecause'))('the protocol', () => {
  let stack: Production;
  let connect: Record<End, () => Socket>;
  let headers: string;

  beforeAll(async () => {
    stack = new Production({ env: { LOG_LEVEL: 'info' } }); // shows what reaches the API
    await stack.up();
    const target = await stack.target();
    const api = await stack.address('api', 'frontend');
    connect = { nginx: () => connectTls(target), api: () => connectTcp(8080, api) };
    headers = `Host: localhost\r\nAuthorization: Bearer ${stack.token}\r\n`;
  });
  afterAll(() => stack.remove());

  /** Sends each character as a byte. Resolves when the connection ends or has a silent second. */
  async function exchange(end: End, bytes: string): Promise<Exchange> {
    const { promise, resolve } = Promise.withResolvers<boolean>();
    let text = '';
    const socket = connect[end]();
    let quiet = setTimeout(() => resolve(false), 15_000);
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1');
      clearTimeout(quiet);
      quiet = setTimeout(() => resolve(false), 1_000);
    });
    socket.on('error', () => {}).on('close', () => resolve(true));
    socket.write(Buffer.from(bytes, 'latin1'));
    const isClosed = await promise;
    clearTimeout(quiet);
    socket.destroy();
    const statuses = [...text.matchAll(/HTTP\/1\.1 (\d{3})/g)]
      .map(([, status]) => Number(status))
      .filter((status) => status !== 100);
    return { statuses, text, isClosed };
  }

  const get = (path: string, more = '') =>
    `GET ${path} HTTP/1.1\r\n${headers}${more}Connection: close\r\n\r\n`;

  /** The URLs of the requests that reached the API. */
  async function seenByApi(mark: string): Promise<string[]> {
    const lines = (await logLines(stack)).api.map(
      (line) => JSON.parse(line) as { req?: { url: string } },
    );
    return lines.flatMap(({ req }) => (req?.url.includes(mark) ? [req.url] : []));
  }

  /** Sends every vector to `end`. What becomes of each is a Fate, or else a description. */
  async function fates(end: End): Promise<Record<string, string>> {
    const sent = vectors.map(({ name, bytes }) => {
      const mark = crypto.randomUUID();
      const request = {
        head: `POST /api/tasks?${mark}=carrier HTTP/1.1\r\n${headers}`,
        hidden: get(`/api/tasks?${mark}=hidden&limit=1`),
      };
      return { name, mark, bytes: bytes(request) };
    });
    const answers: Exchange[] = [];
    for (let n = 0; n < sent.length; n += 16)
      answers.push(
        ...(await Promise.all(sent.slice(n, n + 16).map(({ bytes }) => exchange(end, bytes)))),
      );
    await sleep(500); // a line of the log comes after its answer
    const seen = await seenByApi('=');
    const result: Record<string, string> = {};
    for (const [n, { name, mark }] of sent.entries()) {
      const urls = ['carrier', 'hidden'].flatMap((which) =>
        seen.filter((url) => url.includes(`${mark}=${which}`)).map(() => which),
      );
      result[name] = fate(urls.join('+'), answers[n] as Exchange);
    }
    return result;
  }

  function fate(urls: string, { statuses, text, isClosed }: Exchange): string {
    const isError = lastError.test(text);
    if (!urls.includes('hidden') && statuses.length === 1 && isError && isClosed) return 'refused';
    if (urls === 'carrier' && statuses.join() === '201' && isClosed) return 'last';
    if (urls === 'carrier' && /^(200|201|400)$/.test(statuses.join()) && !isClosed) return 'body';
    if (urls === 'carrier+hidden' && statuses.join() === '201,200' && isClosed)
      return 'two requests';
    const state = isClosed ? 'closed' : 'open';
    return `the API saw "${urls}", answers ${statuses.join()}, ${state}: ${text.slice(0, 200)}`;
  }

  it('lets two valid requests on one connection reach the API: the positive control', async () => {
    const mark = crypto.randomUUID();
    const { statuses } = await exchange(
      'nginx',
      get(`/api/tasks/1?${mark}=first`).replace('Connection: close\r\n', '') +
        get(`/api/tasks/2?${mark}=second`),
    );
    expect(statuses).toEqual([200, 200]);
    await expect
      .poll(async () => (await seenByApi(mark)).toSorted((a, b) => a.localeCompare(b)), {
        timeout: 5_000,
      })
      .toEqual([`/api/tasks/1?${mark}=first`, `/api/tasks/2?${mark}=second`]);
  });

  it.each(['nginx', 'api'] as const)('lets no request be smuggled through %s', async (end) => {
    const result = await fates(end);
    expect(result).toEqual(Object.fromEntries(vectors.map((vector) => [vector.name, vector[end]])));
    const refused = Object.values(result).filter((one) => one === 'refused').length;
    measured(`${vectors.length} vectors, ${refused} refused, the others interpreted as written`);
  });

  it('serves the next client its own answer after all that', async () => {
    const answers = await Promise.all(
      Array.from({ length: 64 }, (_, n) => stack.https(`/api/tasks/${(n % 5) + 1}`)),
    );
    expect(answers.map(({ text }) => /"id":(\d+)/.exec(text)?.[1])).toEqual(
      answers.map((_, n) => String((n % 5) + 1)),
    );
  });

  it('logs each client under its own address and a well-formed request id', async () => {
    const mark = crypto.randomUUID();
    const headersOf = (id: string) => ({
      'X-Forwarded-For': '10.9.8.7',
      'X-Forwarded-Proto': 'gopher',
      'X-Request-Id': id,
    });
    const good = await stack.https(`/api/tasks/1?${mark}`, {
      headers: headersOf('spoofed-but-well-formed'),
    });
    expect(good.headers['x-request-id']).toBe('spoofed-but-well-formed');
    for (const id of [
      'short',
      'x'.repeat(65),
      '"}{"level":"fatal',
      'a'.repeat(20) + '\xff',
      'a b c d e f g h i j k',
      '../../../../etc/passwd',
      '${jndi:ldap://127.0.0.1/x}',
    ]) {
      const answer = await stack.https(`/api/tasks/1?${mark}`, { headers: headersOf(id) });
      expect(answer.status).toBe(200);
      expect(answer.headers['x-request-id']).toMatch(/^[0-9a-f]{32}$/);
    }
    type Line = { client: string; request_id: string; uri: string };
    await expect
      .poll(async () => (await logLines(stack)).web.filter((line) => line.includes(mark)).length, {
        timeout: 5_000,
      })
      .toBe(8);
    const lines = await logLines(stack);
    for (const line of lines.web.filter((text) => text.includes(mark))) {
      const { client, request_id } = JSON.parse(line) as Line;
      expect(client).not.toBe('10.9.8.7');
      expect(
        lines.api.filter((text) => text.includes(mark) && text.includes(request_id)),
      ).toHaveLength(1); // one id in both tiers
    }
  });

  it('echoes the Host header in no response', async () => {
    const body = '{"title":"host"}';
    const more =
      'Content-Type: application/json\r\nX-Forwarded-Host: evil.example\r\n' +
      `Content-Length: ${body.length}\r\n`;
    for (const host of ['evil.example', 'evil.example:1', '127.0.0.1', 'db', '[::1]', 'api:8080']) {
      const { text, statuses } = await exchange(
        'nginx',
        get('/api/tasks', more).replace('GET', 'POST').replace('localhost', host) + body,
      );
      expect([host, statuses]).toEqual([host, [201]]);
      expect(text).toMatch(/^Location: \/api\/tasks\/\d+\r$/m);
      expect(text).not.toContain('evil');
    }
    for (const host of ['', 'a/b', 'a\0b', 'a\x7fb', 'a\rb', 'a\\b', 'a@evil.example']) {
      const { text, statuses, isClosed } = await exchange(
        'nginx',
        get('/').replace('localhost', host),
      );
      expect([host, statuses, isClosed]).toEqual([host, [400], true]);
      expect(text).toContain('{"error":"Bad request"}');
    }
  });

  it('sends no CORS header on any response', async () => {
    const preflight =
      'Access-Control-Request-Method: DELETE\r\n' +
      'Access-Control-Request-Headers: authorization, content-type\r\n' +
      'Access-Control-Request-Private-Network: true\r\n';
    const origins = [
      'null',
      'https://evil.example',
      'https://localhost',
      'http://localhost:3000',
      'https://localhost.evil.example',
      '*',
      'file://',
    ];
    const paths = [
      '/',
      '/healthz',
      '/nginx-health',
      '/api/tasks',
      '/api/tasks/1',
      '/api/tasks/x',
      '/nope',
      '/%ZZ',
      '/livez',
    ];
    const given = await Promise.all(
      origins.flatMap((origin) =>
        paths.flatMap((path) =>
          ['GET', 'OPTIONS'].map(async (method) => {
            const { text } = await exchange(
              'nginx',
              get(path, `Origin: ${origin}\r\n${preflight}`).replace('GET', method),
            );
            const [head = ''] = text.split('\r\n\r\n');
            return {
              status: /^HTTP\/1\.1 (2|4)\d\d /.test(head),
              own: /^cross-origin-resource-policy: same-origin\r?$/im.test(head),
              cors: /^(access-control|timing-allow)/im.test(head),
            };
          }),
        ),
      ),
    );
    expect(given).toEqual(given.map(() => ({ status: true, own: true, cors: false })));
    measured(`${given.length} answers without one`);
  });

  it('writes a log line that parses as JSON for each request, whatever is in it', async () => {
    const all = Array.from({ length: 256 }, (_, n) => String.fromCharCode(n));
    const bytes = all.filter((byte, n) => full || n % 9 === 0 || '"\\\x7f\xff'.includes(byte));
    const hostile = [
      ...bytes.filter((byte) => !'\r\n'.includes(byte)),
      '","status":200,"x":"',
      '\\',
      '\\"',
      '\\u0000',
      '%00',
      '%0a',
      '%22',
      '\x1b[2J',
      '\xc3\x28',
      '\xed\xa0\x80',
      '\xe2\x80\xa8',
      '\xf0\x9f\x99\x82',
      '{{}}',
      '$request_id',
      '${jndi:x}',
    ];
    const requests = hostile.flatMap((text) => [
      get(`/api/tasks?log=a${text}b`),
      get(`/a${text}b`),
      get(
        '/api/tasks/1',
        `User-Agent: a${text}b\r\nX-Request-Id: aaaaaaaaaaaaaaaaaa${text}b\r\n` +
          `Referer: ${text}\r\nCookie: ${text}\r\nX-Forwarded-For: ${text}\r\n`,
      ),
      get('/api/tasks/1').replace('GET', `G${text}T`),
      get('/api/tasks/1').replace('HTTP/1.1', `HTTP/1.${text}`),
      get('/').replace('localhost', `a${text}b`),
      `${text}${get('/')}`,
      `\x16\x03\x01${text}\r\n\r\n`,
    ]);
    const before = (await logLines(stack)).web.length;
    for (let n = 0; n < requests.length; n += 128)
      await Promise.all(requests.slice(n, n + 128).map((request) => exchange('nginx', request)));
    await sleep(1_500); // nginx writes once a second
    expect((await logLines(stack)).web.length - before).toBeGreaterThan(requests.length * 0.9);
    expect(await linesThatAreNotJson(stack)).toEqual([]);
    // The error log of nginx is text. No request can begin a line of it.
    const { stderr } = await stack.logStreams('web');
    expect(
      stderr
        .split('\n')
        .filter(
          (line) =>
            line !== '' && !/^\d{4}\/\d\d\/\d\d \d\d:\d\d:\d\d \[\w+\] \d+#\d+: /.test(line),
        ),
    ).toEqual([]);
    measured(`${requests.length} requests`);
  });

  it('counts a client by its address, whatever X-Forwarded-For says', async () => {
    stack.env.RATE_LIMIT = '5';
    await stack.compose('up', '-d', '--wait', '--no-deps', 'web');
    stack.forgetTarget();
    const names = [
      'X-Forwarded-For',
      'X-Real-IP',
      'Forwarded',
      'True-Client-IP',
      'CF-Connecting-IP',
      'X-Client-IP',
    ];
    const spoofed = (n: number) =>
      Object.fromEntries(
        names.map((name) => [name, name === 'Forwarded' ? `for=10.0.0.${n}` : `10.0.0.${n}`]),
      );
    const answers = await Promise.all(
      Array.from({ length: 40 }, (_, n) =>
        stack.https('/api/tasks?limit=1', { headers: spoofed(n) }),
      ),
    );
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200, 429]));
    expect(answers.filter(({ status }) => status === 429).length).toBeGreaterThan(10);
  });
});
