// Requests to a server in this process, most with certificates for various names; and programs that
// print without end.
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer as createPlainServer } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { root } from './root.ts';
import { execute } from '../command.ts';
import { ask, certificateName } from '../http.ts';

/** Serves an address with a certificate for a name. Answers with the Host of the request. */
async function server(address: string, name: string): Promise<{ url: URL; ca: Buffer }> {
  const directory = mkdtempSync(join(tmpdir(), 'taskapp-tls-'));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const make = ['--dir', directory, '--self-signed', name];
  execFileSync(join(root, 'scripts/make-secrets.sh'), make, { stdio: 'pipe' });
  const read = (file: string) => readFileSync(join(directory, file));
  const ca = read('tls.crt');
  const listener = createServer({ cert: ca, key: read('tls.key') }, ({ headers }, response) => {
    response.end(headers.host);
  });
  onTestFinished(() => void listener.close());
  await once(listener.listen(0, address), 'listening');
  const { port } = listener.address() as AddressInfo;
  const host = address.includes(':') ? `[${address}]` : address;
  return { url: new URL(`https://${host}:${port}`), ca };
}

it.each([
  ['127.0.0.1', 'localhost', 'localhost'],
  ['127.0.0.1', 'tasks.example.org', 'tasks.example.org'],
  ['127.0.0.1', '*.example.org', 'www.example.org'],
  ['127.0.0.1', '127.0.0.1', '127.0.0.1'],
  ['127.0.0.1', '192.0.2.7', '192.0.2.7'],
  ['::1', 'localhost', 'localhost'],
])('at %s with a certificate for %s, web is asked for %s', async (address, name, asked) => {
  const { url, ca } = await server(address, name);
  const found = await certificateName(url);
  expect(found).toBe(asked);
  const { text } = await ask(url, {}, { ca, name: found });
  expect(text).toBe(`${asked}:${url.port}`);
});

it('refuses a certificate that is untrusted, or for another name', async () => {
  const { url, ca } = await server('127.0.0.1', 'tasks.example.org');
  const name = await certificateName(url);
  await expect(ask(url, {}, { name })).rejects.toThrow('self-signed certificate');
  await expect(ask(url, {}, { ca })).rejects.toThrow(/127\.0\.0\.1 is not in the cert's list/);
  await expect(ask(url, {}, { ca, name: 'other.example.org' })).rejects.toThrow('altnames');
});

it('finds no name where nothing answers', async () => {
  expect(await certificateName(new URL('https://127.0.0.1:1'))).toBeUndefined();
});

it('reads no body without end', async () => {
  const chunk = 'x'.repeat(1024 * 1024);
  const endless = createPlainServer((_request, response) => {
    const write = () => {
      while (!response.destroyed && response.write(chunk));
    };
    response.on('drain', write);
    write();
  });
  onTestFinished(() => void endless.close());
  await once(endless.listen(0, '127.0.0.1'), 'listening');
  const { port } = endless.address() as AddressInfo;
  const answer = ask(new URL(`http://127.0.0.1:${port}`), {}, {});
  await expect(answer).rejects.toThrow('the body is over 16 MiB');
});

it('reads no output without end', async () => {
  await expect(execute('yes', ['no'])).rejects.toThrow('yes no … printed more than 256 MiB');
});
