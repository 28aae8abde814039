// The process: its environment, its port, and how it ends.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { Agent, get } from 'node:http';
import { connect } from 'node:net';

import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import { freePort } from '../../local/embedded.ts';
import { database, environment, lockFor, secretFile, unique } from './helper.ts';

const program = join(import.meta.dirname, '../src/server.ts');

/** Starts the server with exactly this environment; its output is collected. */
function start(env: Record<string, string>) {
  const child = spawn(process.execPath, [program], { env, stdio: 'pipe' });
  onTestFinished(() => void child.kill('SIGKILL'));
  const output = { stdout: '', stderr: '' };
  child.stdout.on('data', (chunk: Buffer) => (output.stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (output.stderr += chunk.toString()));
  const ended = once(child, 'close').then(([code]) => code as number | null);
  return { child, output, ended };
}

async function startListening(env: Record<string, string> = {}) {
  const port = await freePort();
  const server = start({ ...environment(), PORT: String(port), ...env });
  const url = `http://127.0.0.1:${port}`;
  await expect
    .poll(() => server.output.stdout, { timeout: 10_000, interval: 20 })
    .toContain('listening');
  return { ...server, port, url };
}

describe('the environment', () => {
  const complete = { DB_USER: 'u', DB_PASS: 'p' };

  it.each([
    [{}, /^taskapp: DB_USER is not set; .+; DB_PASS is not set; .+$/],
    [{ DB_USER: 'u' }, /^taskapp: DB_PASS is not set; set it, or set DB_PASS_FILE .+$/],
    [{ DB_USER: 'u', DB_PASS: '' }, /^taskapp: DB_PASS is not set; .+$/],
    [
      { DB_USER: 'u', DB_PASS_FILE: '/nope' },
      /^taskapp: DB_PASS_FILE points to \/nope, which cannot be read \(ENOENT\); .+$/,
    ],
    [
      { ...complete, DB_PASS_FILE: '/nope' },
      /^taskapp: DB_PASS and DB_PASS_FILE are both set; unset one of them$/,
    ],
    [
      { ...complete, API_TOKEN: 'x'.repeat(16), API_TOKEN_FILE: '/x' },
      /^taskapp: API_TOKEN and API_TOKEN_FILE are both set; .+$/,
    ],
    [{ ...complete, API_TOKEN: 'short' }, /^taskapp: API_TOKEN has no good token; .+$/],
    [{ ...complete, API_TOKEN: '\n\n' }, /^taskapp: API_TOKEN has no good token; .+$/],
    [
      { ...complete, API_TOKEN: `${'x'.repeat(16)}\ny` },
      /^taskapp: API_TOKEN has no good token; .+$/,
    ],
    [
      { ...complete, API_TOKEN: '# a comment of many characters' },
      /^taskapp: API_TOKEN has no good token; .+$/,
    ],
    [{ ...complete, PORT: '80a' }, /^taskapp: PORT is not a port; .+$/],
    [{ ...complete, PORT: '0x50' }, /^taskapp: PORT is not a port; .+$/],
    [{ ...complete, PORT: '65536' }, /^taskapp: PORT is not a port; .+$/],
    [{ ...complete, DB_PORT: '0' }, /^taskapp: DB_PORT is not a port; .+$/],
    [{ ...complete, LOG_LEVEL: 'loud' }, /^taskapp: LOG_LEVEL is not a log level; .+$/],
  ])('%j ends the start with one line that names the variable and the fix', async (env, line) => {
    const { ended, output } = start(env);
    expect(await ended).toBe(1);
    expect(output.stderr.trimEnd()).toMatch(line);
    expect(output.stdout).toBe('');
  });

  it('reads a secret file without its last newline, and logs the address, no secret', async () => {
    const { DB_PASS = '', ...login } = environment();
    const port = await freePort();
    const { output } = start({
      ...login,
      PORT: String(port),
      DB_PASS_FILE: secretFile(`${DB_PASS}\n`),
    });
    await expect.poll(() => output.stdout, { timeout: 10_000 }).toContain('listening');
    expect((await fetch(`http://127.0.0.1:${port}/healthz`)).status).toBe(200);
    expect(output.stdout).toContain(
      `port ${port}, database ${login.DB_HOST}:${login.DB_PORT}/taskdb`,
    );
    expect(output.stdout).not.toContain(DB_PASS);
  });

  it('reads the password again for each connection, so that it can change meanwhile', async () => {
    const { DB_PASS = '', ...login } = environment();
    const port = await freePort();
    const file = secretFile('not-yet-the-password');
    const { output } = start({ ...login, PORT: String(port), DB_PASS_FILE: file });
    await expect.poll(() => output.stdout, { timeout: 10_000 }).toContain('listening');
    const status = async () => (await fetch(`http://127.0.0.1:${port}/healthz`)).status;
    expect(await status()).toBe(503);
    writeFileSync(file, DB_PASS);
    await expect.poll(status).toBe(200);
  });

  it('refuses an empty secret file', async () => {
    const { ended, output } = start({ DB_USER: 'u', DB_PASS_FILE: secretFile('\n') });
    expect(await ended).toBe(1);
    expect(output.stderr).toMatch(/DB_PASS_FILE points to .+, which is empty/);
  });

  it('says so when the port is taken', async () => {
    const { port } = await startListening();
    const second = start({ ...environment(), PORT: String(port) });
    expect(await second.ended).toBe(1);
    expect(second.output.stderr).toMatch(
      new RegExp(`^taskapp: cannot listen on PORT ${port}: .+\n$`),
    );
  });

  it.each([
    ['unset', ['127.0.0.1', '127.0.0.2']],
    ['127.0.0.1', ['127.0.0.1']],
    ['127.0.0.2', ['127.0.0.2']],
    ['0.0.0.0', ['127.0.0.1', '127.0.0.2']],
  ])('listens where HOST says: %s', async (HOST, expected) => {
    const { port } = await startListening(HOST === 'unset' ? {} : { HOST });
    const answering: string[] = [];
    for (const address of ['127.0.0.1', '127.0.0.2']) {
      const answer = await fetch(`http://${address}:${port}/livez`).catch(() => undefined);
      if (answer?.ok) answering.push(address);
    }
    expect(answering).toEqual(expected);
  });

  it.each(['192.0.2.1', 'no-such-host.invalid', 'http://127.0.0.1', '127.0.0.1:8080'])(
    'HOST=%s ends the start with one line that names the variable and the fix',
    async (HOST) => {
      const port = await freePort();
      const { ended, output } = start({ ...environment(), PORT: String(port), HOST });
      expect(await ended).toBe(1);
      expect(output.stderr).toMatch(/^taskapp: cannot listen on HOST .+; set HOST to .+\n$/);
      expect(output.stderr).toContain(`HOST ${HOST}: `);
    },
  );

  it('tells in the log what to do when the password does not fit', async () => {
    const { url, output } = await startListening({ DB_PASS: 'not-the-password' });
    expect((await fetch(`${url}/healthz`)).status).toBe(503); // what a health check asks
    await expect.poll(() => output.stdout).toContain('DB_PASS is not the password of DB_USER');
    expect(output.stdout).not.toContain('not-the-password');
  });
});

describe('GET /metrics', () => {
  it("has the process's own figures too: CPU time, memory, the event loop's lag", async () => {
    const { url } = await startListening();
    const text = await (await fetch(`${url}/metrics`)).text();
    for (const name of [
      'process_cpu_seconds_total',
      'process_resident_memory_bytes',
      'nodejs_eventloop_lag_p99_seconds',
      'db_pool_waits_total',
    ]) {
      expect(text).toMatch(new RegExp(`^${name} [0-9.e-]+$`, 'm'));
    }
  });
});

describe('a request that is not HTTP', () => {
  const raw = async (port: number, text: string) => {
    const socket = connect(port, '127.0.0.1');
    let answer = '';
    socket.on('data', (chunk) => (answer += chunk.toString()));
    socket.write(text);
    await once(socket, 'close');
    return answer;
  };

  it('is answered with 400, and a method that HTTP does not know with 405, as JSON', async () => {
    const { port } = await startListening();
    const broken = await raw(port, 'GET / HTTP/1.1\r\nno colon\r\n\r\n');
    expect(broken).toMatch(/^HTTP\/1\.1 400 /);
    expect(broken).toContain('{"error":"Bad request"}');
    const large = await raw(
      port,
      `GET / HTTP/1.1\r\nHost: x\r\nX-Large: ${'x'.repeat(20_000)}\r\n\r\n`,
    );
    expect(large).toMatch(
      /^HTTP\/1\.1 431 [^]+X-Request-Id: [^]+{"error":"Request headers are too large"}$/,
    );
    const unknown = await raw(port, 'FOO /api/tasks HTTP/1.1\r\nHost: x\r\n\r\n');
    expect(unknown).toMatch(/^HTTP\/1\.1 405 [^]+Allow: GET, HEAD, POST/);
    expect(unknown).toContain('{"error":"Method not allowed"}');
  });

  it('closes the connection after the answer to the request before it', async () => {
    const { port } = await startListening();
    for (const more of ['Connection: close\r\n', '']) {
      const answer = await raw(
        port,
        `GET /healthz HTTP/1.1\r\nHost: x\r\n${more}\r\nno request\r\n\r\n`,
      );
      expect(answer).toMatch(
        /^HTTP\/1\.1 200 OK\r\n[^]+\r\nConnection: close\r\n[^]+{"status":"healthy"}$/,
      );
    }
  });

  it('is answered with 400 also when it is the body that is broken, once', async () => {
    const { port, output } = await startListening();
    const head =
      'POST /api/tasks HTTP/1.1\r\nHost: x\r\n' +
      'Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n';
    for (const body of ['zz\r\n', '3\r\n{}\r\n0\r\n\r\n', '2\r\n{}\n0\r\n\r\n']) {
      const answer = await raw(port, `${head}${body}GET /api/hidden HTTP/1.1\r\nHost: x\r\n\r\n`);
      expect(answer).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n[^]+{"error":"Bad request"}$/);
      expect(answer.match(/HTTP\/1/g)).toHaveLength(1);
    }
    expect(output).toEqual({ stdout: expect.not.stringContaining('hidden') as string, stderr: '' });
  });
});

describe('the end', () => {
  // Holds a lock, so that a request is in flight for a while.
  const lockedTask = async (seconds: number) => {
    const db = database();
    const create = `INSERT INTO tasks (title) VALUES ($1) RETURNING id`;
    const [row] = await db.write<{ id: number }>({
      name: '',
      text: create,
      values: [unique('locked')],
    });
    const id = row?.id ?? 0;
    const locked = lockFor(db, id, seconds);
    await sleep(200);
    return { id, locked };
  };
  const change = (url: string, id: number) =>
    fetch(`${url}/api/tasks/${id}`, {
      method: 'PATCH',
      headers: { 'Content-Type': 'application/json' },
      body: '{"title":"changed"}',
    });

  it.each(['SIGTERM', 'SIGINT'] as const)(
    '%s: the request in flight is answered, then exit code 0',
    async (signal) => {
      const { child, ended, url, output } = await startListening();
      await fetch(`${url}/healthz`);
      const { id, locked } = await lockedTask(1.5);
      const inFlight = change(url, id);
      await sleep(200);
      child.kill(signal);
      const response = await inFlight;
      expect(response.status).toBe(200);
      await locked;
      expect(await ended).toBe(0);
      expect(output.stdout).toContain('"msg":"stopped"');
    },
  );

  it('SIGTERM: answers and closes connections until the proxy has left, then is 502', async () => {
    const { child, ended, url } = await startListening();
    const agent = new Agent({ keepAlive: true });
    onTestFinished(() => agent.destroy());
    const request = (path: string, with_: Agent) =>
      new Promise<{ status: number | undefined; connection: string | undefined }>(
        (resolve, reject) => {
          get(`${url}${path}`, { agent: with_ }, (response) => {
            response.resume();
            response.on('end', () =>
              resolve({ status: response.statusCode, connection: response.headers.connection }),
            );
          }).on('error', reject);
        },
      );
    expect(await request('/api/tasks?limit=1', agent)).toEqual({
      status: 200,
      connection: 'keep-alive',
    });
    child.kill('SIGTERM');
    await sleep(300); // the idle connection of the agent keeps it waiting
    expect(await request('/healthz', new Agent())).toEqual({ status: 503, connection: 'close' });
    expect(await request('/api/tasks?limit=1', agent)).toEqual({
      status: 200,
      connection: 'close',
    });
    const closed = Date.now();
    await sleep(500);
    // The proxy may send it to another replica: nothing was done here.
    expect(await request('/api/tasks?limit=1', agent)).toEqual({
      status: 502,
      connection: 'close',
    });
    expect(await ended).toBe(0);
    // The proxy has time to notice before the address disappears.
    expect(Date.now() - closed).toBeGreaterThan(2_000);
    // Once the last connection is closed, nothing is waited for.
    expect(Date.now() - closed).toBeLessThan(6_000);
  });
});
