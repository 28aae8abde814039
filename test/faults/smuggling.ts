// Requests whose end two readers could see in different places. Each carries a second request,
// behind it or inside it.
export type End = 'nginx' | 'api';

/**
 * What becomes of the bytes:
 * - refused: one answer, an error, then the connection is closed; nobody sees the second request.
 * - last: the first request says that it is the last: one answer, then the connection is closed.
 * - body: the first request says that the second is its body, and it is read so: one answer.
 * - two requests: the first one's end is clear, so what follows is another request: an answer to
 *   each. nginx passes both on in one spelling (Content-Length, CRLF, no extensions or trailers),
 *   so that the API cannot see another end.
 */
export type Fate = 'refused' | 'last' | 'body' | 'two requests';

export interface Request {
  /** Method, URL and the headers that are always there. */
  head: string;
  /** The second request. */
  hidden: string;
}
export interface Vector {
  name: string;
  bytes: (request: Request) => string;
  nginx: Fate;
  /** Without nginx in front, as only another container in the same network can ask. */
  api: Fate;
}

const json = '{"title":"carrier"}';
const length = json.length;
const size = length.toString(16);
const chunk = (text: string) => `${text.length.toString(16)}\r\n${text}\r\n`;
const last = '0\r\n\r\n';
const chunked = 'Transfer-Encoding: chunked';

function post({ head }: Request, lines: string[], body: string): string {
  const headers = ['Content-Type: application/json', ...lines].map((line) => `${line}\r\n`);
  return `${head}${headers.join('')}\r\n${body}`;
}

export const vectors: Vector[] = [];
function vector(
  name: string,
  bytes: Vector['bytes'],
  nginx: Fate = 'refused',
  api: Fate = nginx,
): void {
  vectors.push({ name, bytes, nginx, api });
}

// Two ways to say where the body ends.
vector('CL.TE', (request) =>
  post(
    request,
    [`Content-Length: ${last.length + request.hidden.length}`, chunked],
    last + request.hidden,
  ),
);
vector('CL.TE, TE first', (request) =>
  post(
    request,
    [chunked, `Content-Length: ${last.length + request.hidden.length}`],
    last + request.hidden,
  ),
);
vector('TE.CL', (request) =>
  post(request, ['Content-Length: 4', chunked], chunk(request.hidden) + last),
);
vector('CL.TE, both right', (request) =>
  post(
    request,
    [`Content-Length: ${(chunk(json) + last).length}`, chunked],
    chunk(json) + last + request.hidden,
  ),
);
vector('CL.0', (request) =>
  post(request, ['Content-Length: 0', chunked], chunk(json) + last + request.hidden),
);

// TE.TE: a Transfer-Encoding that only one of two readers accepts, with a length and alone.
const encodings: [line: string, nginx: Fate, api: Fate][] = [
  ['Transfer-Encoding:chunked', 'two requests', 'two requests'],
  ['TRANSFER-ENCODING: CHUNKED', 'two requests', 'two requests'],
  ['Transfer-Encoding: chunked ', 'two requests', 'two requests'],
  ['Transfer-Encoding:\tchunked', 'refused', 'two requests'],
  ['Transfer-Encoding: identity, chunked', 'refused', 'two requests'],
  ['Transfer-Encoding: gzip, chunked', 'refused', 'two requests'],
  ['Transfer-Encoding: identity\r\nTransfer-Encoding: chunked', 'refused', 'two requests'],
  ['Transfer-Encoding: x\r\nTransfer-Encoding: chunked', 'refused', 'two requests'],
  ['X-A: b\nTransfer-Encoding: chunked', 'two requests', 'refused'],
  ...[
    'Transfer-Encoding: xchunked',
    'Transfer-Encoding : chunked',
    'Transfer-Encoding\t: chunked',
    'Transfer-Encoding: "chunked"',
    'Transfer-Encoding: chunked, identity',
    'Transfer-Encoding: identity',
    'Transfer-Encoding: chunked, chunked',
    'Transfer-Encoding: chunked;q=1',
    'Transfer-Encoding: \x0bchunked',
    'Transfer-Encoding: chunked\x0b',
    'Transfer-Encoding: \0chunked',
    'Transfer-Encoding: ch\0unked',
    'Transfer-Encoding:',
    'Transfer-Encoding: x',
    'X-A: b\rTransfer-Encoding: chunked',
    '\0Transfer-Encoding: chunked',
    'Transfer\0-Encoding: chunked',
    ' Transfer-Encoding: chunked',
    'X-A: b\r\n Transfer-Encoding: chunked',
    'Transfer-Encoding:\r\n chunked',
    'Transfer-Encoding: chunked\r\nTransfer-Encoding: identity',
    'Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked',
    'Transfer-Encoding: chunked\r\n\tx',
  ].map((line): [string, Fate, Fate] => [line, 'refused', 'refused']),
];
for (const [line, nginx, api] of encodings) {
  const name = JSON.stringify(line);
  vector(`TE.TE with a length, ${name}`, (request) =>
    post(
      request,
      [`Content-Length: ${last.length + request.hidden.length}`, line],
      last + request.hidden,
    ),
  );
  vector(
    `TE.TE ${name}`,
    (request) => post(request, [line], chunk(json) + last + request.hidden),
    nginx,
    api,
  );
}
// A header with another name means nothing: only the length counts.
vector(
  'Transfer_Encoding',
  (request) =>
    post(
      request,
      [`Content-Length: ${last.length + request.hidden.length}`, 'Transfer_Encoding: chunked'],
      last + request.hidden,
    ),
  'body',
);
vector(
  'Content_Length',
  (request) =>
    post(
      request,
      [`Content-Length: ${length + request.hidden.length}`, `Content_Length: ${length}`],
      json + request.hidden,
    ),
  'body',
);

// Lengths.
vector('two lengths, equal', (request) =>
  post(request, [`Content-Length: ${length}`, `Content-Length: ${length}`], json + request.hidden),
);
vector('two lengths, the smaller first', (request) =>
  post(
    request,
    [`Content-Length: ${length}`, `Content-Length: ${length + request.hidden.length}`],
    json + request.hidden,
  ),
);
vector('two lengths, the larger first', (request) =>
  post(
    request,
    [`Content-Length: ${length + request.hidden.length}`, `Content-Length: ${length}`],
    json + request.hidden,
  ),
);
for (const value of [
  '-1',
  '-0',
  `+${length}`,
  `0x${size}`,
  `${length}, ${length}`,
  `${length},0`,
  '1e1',
  `${length}.0`,
  '',
  'abc',
  `${length} 0`,
  `\0${length}`,
  `${length}\0`,
  '1 9',
  `${length};0`,
  `"${length}"`,
  '\xb9',
  '9'.repeat(20),
  '18446744073709551635',
]) {
  vector(`length ${JSON.stringify(value)}`, (request) =>
    post(request, [`Content-Length: ${value}`], json + request.hidden),
  );
}
vector(
  'length with zeros in front',
  (request) => post(request, [`Content-Length: 00${length}`], json + request.hidden),
  'two requests',
);
vector(
  'length after a tab',
  (request) => post(request, [`Content-Length:\t${length}`], json + request.hidden),
  'refused',
  'two requests',
);
vector('length, space before the colon', (request) =>
  post(request, [`Content-Length : ${length}`], json + request.hidden),
);
vector('length on the next line', (request) =>
  post(request, [`Content-Length:\r\n ${length}`], json + request.hidden),
);
vector(
  'length named by Connection',
  (request) =>
    post(
      request,
      ['Connection: Content-Length', `Content-Length: ${length}`],
      json + request.hidden,
    ),
  'two requests',
);

// Lines. nginx accepts a bare LF as the end of a line, as RFC 9112 allows; the API does not.
vector(
  'bare LF everywhere',
  (request) =>
    post(request, [`Content-Length: ${length}`], '').replaceAll('\r\n', '\n') +
    json +
    request.hidden,
  'two requests',
  'refused',
);
vector(
  'bare LF after the request line',
  (request) =>
    post(request, [`Content-Length: ${length}`], json + request.hidden).replace('\r\n', '\n'),
  'two requests',
  'refused',
);
vector(
  'bare LF at the end of the head',
  (request) =>
    `${post(request, [`Content-Length: ${length}`], '').slice(0, -4)}\n\n${json}${request.hidden}`,
  'two requests',
  'refused',
);
vector('bare LF hides a length', (request) =>
  post(
    request,
    [`Content-Length: ${length}`, `X-A: b\nContent-Length: ${length + request.hidden.length}`],
    json + request.hidden,
  ),
);
vector(
  'bare CR everywhere',
  (request) =>
    post(request, [`Content-Length: ${length}`], '').replaceAll('\r\n', '\r') +
    json +
    request.hidden,
);
vector('bare CR in a value', (request) =>
  post(request, ['X-A: b\rX-C: d', `Content-Length: ${length}`], json + request.hidden),
);
vector('obs-fold', (request) =>
  post(request, ['X-A: b\r\n c', `Content-Length: ${length}`], json + request.hidden),
);
vector('obs-fold with a tab', (request) =>
  post(request, ['X-A: b\r\n\tc', `Content-Length: ${length}`], json + request.hidden),
);
vector('obs-fold first', (request) =>
  post(request, [`Content-Length: ${length}`], json + request.hidden).replace(
    '\r\n',
    '\r\n X-A: b\r\n',
  ),
);
vector('NUL in a value', (request) =>
  post(request, ['X-A: b\0c', `Content-Length: ${length}`], json + request.hidden),
);
vector('NUL in a name', (request) =>
  post(request, ['X\0A: b', `Content-Length: ${length}`], json + request.hidden),
);
vector('NUL in the URL', (request) =>
  post(request, [`Content-Length: ${length}`], json + request.hidden).replace('?', '?\0'),
);
vector('space in the URL', (request) =>
  post(request, [`Content-Length: ${length}`], json + request.hidden).replace('?', '? '),
);
vector(
  'header without a colon',
  (request) => post(request, ['X-A', `Content-Length: ${length}`], json + request.hidden),
  'two requests',
  'refused',
);
vector('header without a name', (request) =>
  post(request, [': b', `Content-Length: ${length}`], json + request.hidden),
);

// HTTP/1.0 has no chunks, and HTTP/2 no text.
vector(
  'HTTP/1.0 with TE',
  (request) =>
    post(request, [chunked], chunk(json) + last + request.hidden).replace('HTTP/1.1', 'HTTP/1.0'),
  'refused',
  'last',
);
vector(
  'HTTP/1.0 with TE, kept alive',
  (request) =>
    post(request, ['Connection: keep-alive', chunked], chunk(json) + last + request.hidden).replace(
      'HTTP/1.1',
      'HTTP/1.0',
    ),
  'refused',
  'two requests',
);
vector('HTTP/1.0 with TE and a length', (request) =>
  post(
    request,
    ['Connection: keep-alive', `Content-Length: ${last.length + request.hidden.length}`, chunked],
    last + request.hidden,
  ).replace('HTTP/1.1', 'HTTP/1.0'),
);
vector(
  'HTTP/2.0 in text',
  (request) =>
    post(request, [`Content-Length: ${length}`], json + request.hidden).replace(
      'HTTP/1.1',
      'HTTP/2.0',
    ),
  'refused',
  'last',
);
vector('HTTP/1.1x', (request) =>
  post(request, [`Content-Length: ${length}`], json + request.hidden).replace(
    'HTTP/1.1',
    'HTTP/1.1x',
  ),
);
vector('preface of HTTP/2', (request) => `PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n${request.hidden}`);

// Chunks.
const sizes: [line: string, nginx: Fate, api: Fate][] = [
  [`${size};ext=1\r\n`, 'two requests', 'two requests'],
  [`${'0'.repeat(12)}${size}\r\n`, 'two requests', 'two requests'],
  [`${size} \r\n`, 'two requests', 'refused'],
  [`${size}\t\r\n`, 'two requests', 'refused'],
  [`${size};a="\r\n`, 'two requests', 'refused'],
  ...[
    `0x${size}\r\n`,
    `+${size}\r\n`,
    `-${size}\r\n`,
    '-1\r\n',
    ` ${size}\r\n`,
    `${size};\nx\r\n`,
    `${size}\n`,
    `${size}\r`,
    `${size}\r\r\n`,
    `1${'0'.repeat(16)}${size}\r\n`,
    `${size}g\r\n`,
    '\r\n',
    `${size}\0\r\n`,
    `${size}_1\r\n`,
    '3\r\n',
  ].map((line): [string, Fate, Fate] => [line, 'refused', 'refused']),
];
for (const [line, nginx, api] of sizes)
  vector(
    `chunk size ${JSON.stringify(line)}`,
    (request) => post(request, [chunked], `${line}${json}\r\n${last}${request.hidden}`),
    nginx,
    api,
  );
vector('chunk without an end', (request) =>
  post(request, [chunked], `${size}\r\n${json}${last}${request.hidden}`),
);
vector('chunk ended by LF', (request) =>
  post(request, [chunked], `${size}\r\n${json}\n${last}${request.hidden}`),
);
vector('last chunk ended by LF', (request) =>
  post(request, [chunked], `${size}\r\n${json}\r\n0\n\n${request.hidden}`),
);
vector(
  'last chunk of many zeros',
  (request) => post(request, [chunked], `${size}\r\n${json}\r\n000\r\n\r\n${request.hidden}`),
  'two requests',
);
for (const trailer of ['Content-Length: 5', 'Transfer-Encoding: chunked', 'X-A: b']) {
  vector(
    `trailer ${trailer}`,
    (request) =>
      post(request, [chunked], `${size}\r\n${json}\r\n0\r\n${trailer}\r\n\r\n${request.hidden}`),
    'two requests',
    trailer === 'X-A: b' ? 'two requests' : 'refused',
  );
}

// A request as the body of one that may have any body, and of one that needs none.
vector(
  'body',
  (request) => post(request, [`Content-Length: ${request.hidden.length}`], request.hidden),
  'body',
);
vector(
  'body of a GET',
  (request) =>
    post(request, [`Content-Length: ${request.hidden.length}`], request.hidden).replace(
      'POST',
      'GET',
    ),
  'body',
);
vector(
  'chunked body of a GET',
  (request) => post(request, [chunked], chunk(request.hidden) + last).replace('POST', 'GET'),
  'body',
);
