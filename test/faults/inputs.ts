// Generated requests, most of them wrong in one way, each with the class that a failure names.
import { METHODS } from 'node:http';
import {
  brotliCompressSync,
  deflateRawSync,
  deflateSync,
  gzipSync,
  zstdCompressSync,
} from 'node:zlib';
import fc, { type Arbitrary } from 'fast-check';
import type { Input } from './contract.ts';

/** In a target: the id of a task that the sender has made. */
export const ownId = '{own}';

const json = { 'content-type': 'application/json' };
const nothing = Buffer.alloc(0);
const input = (
  kind: string,
  method: string,
  target: string,
  body: Buffer | string = nothing,
  headers: Record<string, string> = {},
): Input => {
  const bytes = Buffer.from(body);
  // For the methods that usually have no body, Node sends none of these by itself.
  const framing: Record<string, string> =
    bytes.length > 0 && headers['transfer-encoding'] === undefined
      ? { 'content-length': String(bytes.length) }
      : {};
  return { kind, method, target, body: bytes, headers: { ...framing, ...headers } };
};
const of = <Value>(...values: Value[]): Arbitrary<Value> => fc.constantFrom(...values);

/** A request that takes a task as its body. */
const writing = of<[string, string]>(
  ['POST', '/api/tasks'],
  ['POST', '/api/tasks'],
  ['PUT', `/api/tasks/${ownId}`],
  ['PATCH', `/api/tasks/${ownId}`],
);
const write = (kind: string, bodies: Arbitrary<Buffer | string>) =>
  fc
    .tuple(writing, bodies)
    .map(([[method, target], body]) => input(kind, method, target, body, json));

// Text, as UTF-16 code units: what JavaScript and JSON can say, including what Unicode does not.
const codePoint = fc.string({ unit: 'binary', minLength: 1, maxLength: 1 });
const surrogate = fc.integer({ min: 0xd800, max: 0xdfff }).map((unit) => String.fromCharCode(unit));
const bidi = of(
  '\u200e',
  '\u200f',
  '\u061c',
  '\u202a',
  '\u202b',
  '\u202c',
  '\u202d',
  '\u202e',
  '\u2066',
  '\u2067',
  '\u2068',
  '\u2069',
);
const emoji = of('🙂', '👩‍👩‍👧', '🇩🇪', '✍🏽', '❤️');
const space = of(
  ' ',
  '\t',
  '\n',
  '\r',
  '\u00a0',
  '\u2003',
  '\u2028',
  '\u3000',
  '\ufeff',
  '\u200b',
  '\u180e',
  '\u0085',
);
const character = fc.oneof(codePoint, of(...'aZ0 \'"\\/<>&%_;-'), space, bidi, emoji);
const text = fc.oneof(
  { weight: 6, arbitrary: fc.string({ unit: character, maxLength: 40 }) },
  { weight: 2, arbitrary: fc.string({ unit: 'grapheme', maxLength: 40 }) },
  { weight: 1, arbitrary: fc.string({ unit: fc.oneof(character, of('\0')), maxLength: 10 }) },
  { weight: 1, arbitrary: fc.string({ unit: fc.oneof(character, surrogate), maxLength: 10 }) },
);
/** Around the limits of 50 and 255 code points, with and without outer spaces. */
const longText = fc
  .tuple(
    of(1, 49, 50, 51, 254, 255, 256, 257, 1_000),
    of('a', 'é', '€', '🙂', '\u{10ffff}', '\u202e'),
    of('', ' ', '\u3000 ', '\0'),
    of('', '\n'),
  )
  .map(([length, unit, before, after]) => before + unit.repeat(length) + after);

const injections = [
  "'",
  '"',
  '`',
  ';',
  '--',
  '/*',
  "' OR '1'='1",
  "' OR 1=1 --",
  "'; DROP TABLE tasks; --",
  "x'); DELETE FROM tasks; --",
  '1; TRUNCATE tasks',
  '1 OR 1=1',
  '1 UNION SELECT null,version(),null,null',
  "' UNION SELECT usename, passwd FROM pg_shadow --",
  "'||(SELECT current_setting('config_file'))||'",
  "\\'; SELECT 1; --",
  '$$; DROP TABLE tasks; $$',
  "'||pg_sleep(20)||'",
  '1 AND 1=(SELECT 1 FROM pg_sleep(20))',
  "'; COPY tasks TO PROGRAM 'id' --",
  "E'\\\\x27'",
  "U&'\\0027'",
  '%27%20OR%201=1',
  '$1',
  '$2::int',
  '${1}',
  '{{1}}',
  '{x,y}',
  '{"a",NULL}',
  'NULL',
  'null',
  'DEFAULT',
  'now()',
  '\\N',
  '\\.',
  '\\x00',
  '%',
  '_',
  '%%%%',
  '\\',
  '\\\\%',
  '１; DROP TABLE tasks',
  'ʼ OR ʼ1ʼ=ʼ1',
  '<script>alert(1)</script>',
  '../../etc/passwd',
  '${jndi:ldap://127.0.0.1/x}',
  '\r\nSet-Cookie: x=1',
  "=cmd|' /C calc'!A0",
];
const injection = of(...injections);

const keys = of(
  'title',
  'status',
  'id',
  'created_at',
  'Title',
  'title ',
  '__proto__',
  'constructor',
  'prototype',
  'toString',
  'hasOwnProperty',
  'valueOf',
  'then',
  'length',
  '',
);
const anyValue = fc.oneof(
  text,
  longText,
  fc.jsonValue(),
  of<unknown>(null, true, false, 0, -1, 1e308, 5, [], {}, ['x'], { toString: 'x' }),
);

/** JSON, with an escape for every character beyond ASCII if `escaped`. */
const stringify = (value: unknown, escaped: boolean) => {
  const plain = JSON.stringify(value);
  return escaped
    ? plain.replaceAll(/[^\0-\x7f]/g, (unit) =>
        `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`.slice(-6),
      )
    : plain;
};
const document = fc
  .tuple(
    fc.option(fc.oneof(text, longText, text, anyValue), { nil: undefined, freq: 8 }),
    fc.option(fc.oneof(text, anyValue), { nil: undefined, freq: 1 }),
    fc.array(fc.tuple(keys, anyValue), { maxLength: 3 }),
    fc.boolean(),
  )
  .map(([title, status, others, escaped]) => {
    // JSON.parse takes the last of equal keys, and makes __proto__ a key like others.
    const members = [
      ...others.filter(([key]) => key !== 'title' && key !== 'status'),
      ['title', title],
      ['status', status],
    ].filter(([, value]) => value !== undefined);
    const pairs = members.map(
      ([key, value]) => `${stringify(key, escaped)}:${stringify(value, escaped)}`,
    );
    return `{${pairs.join(',')}}`;
  });

const good = '{"title":"carrier","status":"done"}';
const brokenDocuments = [
  '',
  ' ',
  '\n',
  '{',
  '}',
  '[',
  '{}{}',
  '{"title"}',
  '{"title":}',
  '{"title":"x",}',
  '{,"title":"x"}',
  '{title:"x"}',
  "{'title':'x'}",
  '{"title":\'x\'}',
  '{"title":"x"',
  '{"title":"x"]',
  '{"title":"x}',
  '{"title":"x"}}',
  '{"title":"x"};',
  '{"title":"x"} x',
  '{"title":"x"}//',
  '/**/{"title":"x"}',
  '{"title" "x"}',
  '{"title":"x" "status":"y"}',
  '{"title":"\n"}',
  '{"title":"\u0001"}',
  '{"title":"\t"}',
  '{"title":"\\x41"}',
  '{"title":"\\u12"}',
  '{"title":"\\uZZZZ"}',
  '{"title":"\\"}',
  '{"title":"\\\'"}',
  '{"title":"x","a":NaN}',
  '{"title":"x","a":Infinity}',
  '{"title":"x","a":undefined}',
  '{"title":"x","a":01}',
  '{"title":"x","a":+1}',
  '{"title":"x","a":.5}',
  '{"title":"x","a":1.}',
  '{"title":"x","a":0x1}',
  '{"title":"x","a":1e}',
  '{"title":"x","a":True}',
  '{"title":"x","a":nul}',
  '{"title":"x","a":[1,]}',
  '{"title":"x","a":[,1]}',
  '\ufeff{"title":"x"}',
  '\u00a0{"title":"x"}',
  '{\u2028"title":"x"}',
  'title=x',
  '<title>x</title>',
  'undefined',
  'NaN',
  "'x'",
  '--boundary',
  '{"title":"x"}\0',
  '\0{"title":"x"}',
  '{"a":'.repeat(5_000),
  '['.repeat(20_000),
  '"'.repeat(999),
];
const notUtf8 = [
  'c328',
  'ff',
  'fe',
  '80',
  'bf',
  'c080',
  'e08080',
  'eda080',
  'edbfbf',
  'eda0bdedb982',
  'f0808080',
  'f4908080',
  'f8888080',
  'e282',
  'f09f99',
  'c3',
].map((hex) => Buffer.from(hex, 'hex'));
/** A document with some bytes removed, doubled, changed or put in. */
const mutated = fc
  .tuple(
    of(
      good,
      '{"title":"a\\u00e9\\ud83d\\ude42b","x":[1,-2.5e3,true,null,{"y":"z"}]}',
      '{"title":"é🙂"}',
    ),
    fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 }), fc.nat(3)), {
      minLength: 1,
      maxLength: 4,
    }),
  )
  .map(([start, changes]) => {
    let bytes = Buffer.from(start);
    for (const [place, byte, how] of changes) {
      const at = place % (bytes.length + 1);
      const change =
        [[byte], [], [byte, byte], [...bytes.subarray(at, at + 3), ...bytes.subarray(at, at + 3)]][
          how
        ] ?? [];
      bytes = Buffer.concat([
        bytes.subarray(0, at),
        Buffer.from(change),
        bytes.subarray(how === 0 ? at : at + 1),
      ]);
    }
    return bytes;
  });

const percent = (bytes: Buffer, all: boolean) =>
  Array.from(bytes, (byte) =>
    !all && /[\w.~-]/.test(String.fromCharCode(byte))
      ? String.fromCharCode(byte)
      : `%${byte.toString(16).padStart(2, '0')}`,
  ).join('');
const escapedText = fc.oneof(
  fc
    .tuple(fc.oneof(text, longText, injection), fc.boolean())
    .map(([value, all]) => percent(Buffer.from(value), all)),
  of(
    ...notUtf8.map((bytes) => `a${percent(bytes, true)}b`),
    '%',
    '%z',
    '100%',
    '%u0041',
    '%00',
    '+',
    '%2',
    '%%',
    '%ef%bf%bd',
  ),
);

const notIds = [
  '0',
  '00',
  '-1',
  '+1',
  '-0',
  '1.0',
  '1.5',
  '.5',
  '1e3',
  '1E3',
  '0x10',
  '0b1',
  '0o7',
  'abc',
  'NaN',
  'Infinity',
  'null',
  'undefined',
  'true',
  '٣',
  '１',
  '²',
  'Ⅷ',
  '1 ',
  ' 1',
  '1\t',
  '1\n',
  '1\0',
  '\0',
  '1,2',
  '1;2',
  '1_000',
  '1n',
  "1'",
  '1"',
  '1)',
  '1--',
  '2147483648',
  '2147483649',
  '4294967297',
  '9007199254740993',
  '9223372036854775808',
  '18446744073709551617',
  '99999999999999999999999999',
  '-2147483648',
  '[object Object]',
  '{}',
  '[]',
  '[1]',
  '{id}',
  ':id',
  '*',
  '%',
  '$1',
  '\u202e1',
  '\ufeff1',
  '1\u200b',
  '🙂',
  '1/',
  '/1',
  '1/..',
  '..',
  '.',
  '~',
  '__proto__',
  'constructor',
];
const idMethods = of('GET', 'HEAD', 'DELETE', 'PUT', 'PATCH');
const withId = (kind: string, segments: Arbitrary<string>) =>
  fc
    .tuple(idMethods, segments)
    .map(([method, segment]) =>
      method.startsWith('P')
        ? input(kind, method, `/api/tasks/${segment}`, good, json)
        : input(kind, method, `/api/tasks/${segment}`),
    );

const contentTypes = [
  'application/json',
  'Application/JSON',
  'application/json;charset=utf-8',
  'application/json; charset="UTF-8"',
  'application/json; charset=utf8',
  'application/json;charset=utf-16',
  'application/json; charset=iso-8859-1',
  'application/json; charset=x',
  'application/json; a=b; charset=utf-8',
  'application/json ',
  'application/json;',
  'application/json; charset',
  'application/json,text/plain',
  'application/jsonx',
  'application/json-patch+json',
  'application/vnd.api+json',
  'application/*+json',
  'text/json',
  'text/plain',
  'text/html',
  'application/xml',
  'multipart/form-data; boundary=x',
  'application/x-www-form-urlencoded',
  'application/octet-stream',
  '*/*',
  'application/*',
  'json',
  '/',
  ';',
  '""',
  'application',
  'application/',
  '/json',
  'application/json/x',
  'application json',
  'image/svg+xml',
  '\xff\xfe',
  "application/json'",
  'application/ json',
];
const encodings: [string, (body: Buffer) => Buffer][] = [
  ['identity', (body) => body],
  ['gzip', (body) => gzipSync(body)],
  ['GZIP', (body) => gzipSync(body)],
  ['deflate', (body) => deflateSync(body)],
  ['br', (body) => brotliCompressSync(body)],
  ['gzip', (body) => gzipSync(body).subarray(0, -4)],
  ['gzip', () => Buffer.from('1f8b', 'hex')],
  ['gzip', (body) => body],
  ['br', (body) => body],
  ['deflate', (body) => body],
  ['gzip', (body) => gzipSync(gzipSync(body))],
  ['gzip', () => gzipSync(Buffer.alloc(10_000_000, ' '))],
  ['br', () => brotliCompressSync(Buffer.alloc(10_000_000, ' '))],
  ['gzip', () => gzipSync(nothing)],
  ['compress', (body) => body],
  ['zstd', (body) => zstdCompressSync(body)],
  ['zstd', (body) => body],
  ['zstd', () => zstdCompressSync(Buffer.alloc(10_000_000, ' '))],
  ['x-gzip', (body) => gzipSync(body)],
  ['gzip, gzip', (body) => gzipSync(gzipSync(body))],
  ['identity, gzip', (body) => gzipSync(body)],
  ['chunked', (body) => body],
  ['utf-8', (body) => body],
  ['exi', (body) => deflateRawSync(body)],
  ['*', (body) => body],
];

/** A document of exactly this many bytes. */
const documentOf = (bytes: number) =>
  `{"title":"size ${bytes}","x":"${'x'.repeat(bytes - 23 - String(bytes).length)}"}`;
const kB64 = 65_536;
const sizes = fc.oneof(
  fc
    .tuple(
      writing,
      of(kB64 - 2, kB64 - 1, kB64, kB64 + 1, kB64 + 2, 70_000, 200_000),
      of('length', 'chunked', 'gzip'),
    )
    .map(([[method, target], bytes, how]) => {
      const body = Buffer.from(documentOf(bytes));
      if (how === 'gzip')
        return input('size of body', method, target, gzipSync(body), {
          ...json,
          'content-encoding': 'gzip',
        });
      return input(
        'size of body',
        method,
        target,
        body,
        how === 'chunked' ? { ...json, 'transfer-encoding': 'chunked' } : json,
      );
    }),
  fc
    .tuple(
      of('/', '/api/tasks?x=', '/api/tasks?q=', '/api/tasks/', '/healthz?'),
      of(100, 4_096, 8_175, 8_176, 8_177, 8_178, 8_179, 8_192, 12_000),
    )
    .map(([start, length]) => input('size of URI', 'GET', start.padEnd(length, '1'))),
  fc
    .tuple(
      of('x-padding', 'user-agent', 'cookie', 'accept'),
      of(100, 4_096, 7_900, 8_150, 8_192, 9_000, 16_000),
    )
    .map(([name, length]) =>
      input('size of header', 'GET', '/api/tasks?limit=1', nothing, { [name]: 'x'.repeat(length) }),
    ),
  of(1, 50, 500, 900, 1_100).map((count) =>
    input(
      'count of headers',
      'GET',
      '/healthz',
      nothing,
      Object.fromEntries(Array.from({ length: count }, (_, n) => [`x-${n}`, 'x'])),
    ),
  ),
  of(1, 2, 3, 4, 5).map((count) =>
    input(
      'size of headers',
      'GET',
      '/healthz',
      nothing,
      Object.fromEntries(Array.from({ length: count }, (_, n) => [`x-${n}`, 'x'.repeat(6_000)])),
    ),
  ),
);

const methods = METHODS.filter((method) => method !== 'CONNECT'); // no request: it opens a tunnel
const routes = [
  '/',
  '/healthz',
  '/livez',
  '/nginx-health',
  '/api/tasks',
  `/api/tasks/${ownId}`,
  '/api/tasks/2147483647',
  '/api/tasks/x',
  '/api',
  '/nope',
];

const piece = of(
  'api',
  'tasks',
  '2147483647',
  '..',
  '.',
  '',
  '%2e',
  '%2e%2e',
  '.%2E',
  '%2f',
  '%2F..',
  '..%2f',
  '%5c',
  '..%5c',
  '\\',
  '..\\',
  ';',
  ';x=1',
  '..;',
  '%00',
  '%0a',
  '%0d%0aX:1',
  '%20',
  '%252e%252e',
  '%c0%ae',
  '%ff',
  '%e2%82',
  '%',
  '%zz',
  '%2',
  'livez',
  '%6civez',
  'healthz',
  'nginx-health',
  'error',
  'error-504',
  'etc',
  'passwd',
  '.env',
  '.git',
  'API',
  'Tasks',
  '*',
  '~',
  '@',
  ':',
  '"',
  "'",
  '<',
  '>',
  '|',
  '^',
  '`',
  '{',
  '}',
  '$',
  '!',
  '(',
  ')',
  ',',
  '=',
  '+',
  '\xff',
  'é',
  '__proto__',
  'x'.repeat(300),
);
const paths = fc.oneof(
  fc.array(piece, { minLength: 1, maxLength: 6 }).map((pieces) => `/${pieces.join('/')}`),
  fc
    .tuple(of('/api/tasks', '/api/tasks/', '/api/tasks/2147483647', '/healthz', '/'), piece)
    .map(([start, end]) => start + end),
  of(
    '/api/tasks/../../etc/passwd',
    '/../../etc/passwd',
    '/api/tasks/..%2f..%2fetc%2fpasswd',
    '/api/tasks%2f1',
    '/api%2ftasks',
    '//api/tasks',
    '/api//tasks',
    '/api/tasks//',
    '/./api/tasks',
    '/x/../api/tasks',
    '/x/../livez',
    '//livez',
    '/livez/',
    '/livez;x',
    '/livez%00',
    '/livez/..',
    '/livez/../livez',
    '/nginx-health/',
    '/API/TASKS',
    '/api/tasks#x',
    '/livez#x',
    '/#',
    '/?',
    '/??',
    '/api/tasks?#',
    '*',
    'api/tasks',
    '?x',
    '#x',
    '%2fapi%2ftasks',
    '/nginx-health/x/%2e%2e',
    '/nginx-health/x%2f..',
    '/nginx-health%2f',
    '/livez/x/..',
    '/x/%2e%2e/livez',
  ),
);

const name = of(
  'limit',
  'status',
  'q',
  'cursor',
  'limit[]',
  'status[]',
  'q[a]',
  'q[]',
  'limit[0]',
  '[limit]',
  'LIMIT',
  '%20limit',
  '%6cimit',
  'limit%00',
  '__proto__',
  '__proto__[status]',
  'constructor[prototype][limit]',
  'toString',
  'offset',
  'page',
  'sort',
  '',
);
const cursor = fc
  .tuple(
    of<unknown>(
      '2026-02-20T10:00:00.123456+00:00',
      '2026-02-20T10:00:00.000000+00:00',
      '0000-01-01T00:00:00.000000+00:00',
      '2026-02-31T10:00:00.000000+00:00',
      '2026-02-20T10:00:00+00:00',
      '2026-02-20T10:00:00.000000+20:00',
      '9999-12-31T23:59:59.999999+00:00',
      'infinity',
      'now',
      '',
      5,
      null,
    ),
    of<unknown>(1, 0, -1, 2_147_483_647, 2_147_483_648, 1.5, '1', null, [1], {}),
  )
  .map((parts) => Buffer.from(JSON.stringify(parts)).toString('base64url'));
const value = fc.oneof(
  escapedText,
  of(
    '',
    '1',
    '5',
    '500',
    '0',
    '501',
    '-1',
    '1.5',
    '1e2',
    '0x5',
    '%205',
    '05',
    '%35',
    'x',
    'pending',
    'done',
    'null',
  ),
  cursor,
  fc.base64String({ maxLength: 60 }).map((encoded) => encoded.replace(/=/g, '')),
);
const queries = fc.oneof(
  fc
    .array(fc.tuple(name, value), { minLength: 1, maxLength: 4 })
    .map((pairs) => pairs.map(([key, given]) => `${key}=${given}`).join('&')),
  fc
    .tuple(of('limit', 'status', 'q', 'cursor'), value, value)
    .map(([key, one, two]) => `${key}=${one}&${key}=${two}`),
  fc
    .tuple(of('limit=0', 'status=', 'limit=1&limit=2'), of(1, 1_000, 2_000))
    .map(([last, count]) => `${'a&'.repeat(count)}${last}`),
  of(
    '&',
    '=',
    '&&&',
    '?',
    '=&=',
    'limit',
    'q',
    'status',
    'limit=1&',
    '&limit=1',
    'limit=1;status=x',
    'limit==1',
    'q=a=b',
    'limit=1&LIMIT=0',
    'q&q',
    'status=a,b',
  ),
);

const pollution = of(
  '"__proto__":{"status":"polluted","title":"polluted"}',
  '"__proto__":"x"',
  '"__proto__":null',
  '"constructor":{"prototype":{"status":"polluted"}}',
  '"prototype":{"status":"polluted"}',
  '"toString":"x"',
  '"valueOf":null',
  '"hasOwnProperty":1',
  '"then":"x"',
  '"toJSON":"x"',
  '"isPrototypeOf":{}',
  '"__defineGetter__":"x"',
  '"__proto__":{"__proto__":{"status":"polluted"}}',
);

const classes: [weight: number, Arbitrary<Input>][] = [
  [8, write('JSON document', document)],
  [
    3,
    write(
      'JSON value',
      fc.tuple(fc.jsonValue(), fc.boolean()).map(([any, escaped]) => stringify(any, escaped)),
    ),
  ],
  [4, write('broken JSON', of(...brokenDocuments))],
  [5, write('mutated JSON', mutated)],
  [
    3,
    write(
      'not UTF-8',
      fc
        .tuple(of(...notUtf8), of('title', 'status', 'x'))
        .map(([bytes, key]) =>
          Buffer.concat([Buffer.from(`{"title":"x","${key}":"a`), bytes, Buffer.from('b"}')]),
        ),
    ),
  ],
  [
    5,
    write(
      'text at a limit',
      fc
        .tuple(longText, of('title', 'status', 'x'), fc.boolean())
        .map(([long, key, escaped]) => stringify({ title: 'x', [key]: long }, escaped)),
    ),
  ],
  [
    4,
    withId(
      'id',
      of(...notIds).map((id) => encodeURIComponent(id)),
    ),
  ],
  [
    1,
    withId(
      'id',
      of(...notIds).filter((id) => !/[^!-~]/.test(id)),
    ),
  ],
  [2, withId('id of no task', of('2147483647', '2147483646', '02147483647', '1999999999'))],
  [
    3,
    withId(
      'id of a task',
      of(
        ownId,
        ownId,
        `0${ownId}`,
        `000${ownId}`,
        `${ownId}?x=1`,
        `${ownId}.0`,
        `${ownId}%20`,
        `-${ownId}`,
        `${ownId},${ownId}`,
        `${ownId}/`,
        `${ownId}%00`,
        `${ownId}%2f`,
      ),
    ),
  ],
  [
    3,
    fc
      .tuple(writing, of(...contentTypes))
      .map(([[method, target], type]) =>
        input('content type', method, target, good, { 'content-type': type }),
      ),
  ],
  [
    2,
    fc
      .tuple(writing, of(nothing, Buffer.from(good)))
      .map(([[method, target], body]) => input('no content type', method, target, body)),
  ],
  [
    1,
    fc
      .tuple(writing, of<Record<string, string>>({}, json))
      .map(([[method, target], headers]) => input('no body', method, target, nothing, headers)),
  ],
  [
    4,
    fc
      .tuple(writing, of(...encodings), of(good, '{}', '['))
      .map(([[method, target], [encoding, encode], body]) =>
        input('content encoding', method, target, encode(Buffer.from(body)), {
          ...json,
          'content-encoding': encoding,
        }),
      ),
  ],
  [2, sizes],
  [
    4,
    fc
      .tuple(
        of(...methods, 'BREW', 'FOO-BAR', 'GETS', 'G3T'),
        of(...routes),
        of(nothing, Buffer.from(good)),
      )
      .map(([method, target, body]) =>
        input('method', method, target, body, body.length > 0 ? json : {}),
      ),
  ],
  [
    6,
    fc
      .tuple(of('GET', 'GET', 'DELETE', 'POST'), paths)
      .map(([method, target]) =>
        input('path', method, target, method === 'POST' ? good : '', method === 'POST' ? json : {}),
      ),
  ],
  [
    6,
    fc
      .tuple(of('GET', 'GET', 'GET', 'HEAD'), queries)
      .map(([method, query]) => input('query', method, `/api/tasks?${query}`)),
  ],
  [
    2,
    write(
      'prototype pollution',
      fc.tuple(pollution, pollution).map(([one, two]) => `{${one},"title":"x",${two}}`),
    ),
  ],
  [
    3,
    write(
      'SQL injection',
      fc
        .tuple(injection, injection, of<object>({}, { id: 1 }, { "id'; --": 1 }))
        .map(([title, status, others]) =>
          JSON.stringify({ ...others, title, status: status.slice(0, 50) }),
        ),
    ),
  ],
  [
    2,
    fc
      .tuple(of('limit', 'status', 'q', 'cursor', "q' OR 1=1 --"), injection)
      .map(([key, given]) =>
        input(
          'SQL injection',
          'GET',
          `/api/tasks?${encodeURIComponent(key)}=${encodeURIComponent(given)}`,
        ),
      ),
  ],
  [
    1,
    withId(
      'SQL injection',
      injection.map((given) => encodeURIComponent(given)),
    ),
  ],
  [
    1,
    fc
      .tuple(
        of(
          '',
          'Bearer',
          'Bearer ',
          'bearer x',
          'Basic eDp4',
          "Bearer ' OR 1=1 --",
          'Bearer \xff',
          'Bearer null',
          `Bearer ${'x'.repeat(4_000)}`,
          'Bearer undefined',
        ),
        of(
          '/api/tasks',
          '/api',
          '/api/',
          '/api/x',
          '/api/tasks/1',
          '/api/tasks?limit=0',
          '/healthz',
        ),
      )
      .map(([authorization, target]) => input('token', 'GET', target, nothing, { authorization })),
  ],
];

/** Any of them. */
export const inputs: Arbitrary<Input> = fc.oneof(
  ...classes.map(([weight, arbitrary]) => ({ weight, arbitrary })),
);

/** Titles with a character of every Unicode block between them: blocks start at multiples of 16. */
export function titlesOfEveryBlock(): string[] {
  const offset = Math.floor(Math.random() * 16);
  const characters: string[] = [];
  for (let start = 0; start < 0x11_0000; start += 16) {
    const point = start + offset;
    if (point !== 0 && (point < 0xd800 || point > 0xdfff))
      characters.push(String.fromCodePoint(point));
  }
  const titles: string[] = [];
  for (let n = 0; n < characters.length; n += 250)
    titles.push(`<${characters.slice(n, n + 250).join('')}>`);
  return titles;
}
