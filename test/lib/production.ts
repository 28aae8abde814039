// The production stack with secrets of its own, and a client that trusts its certificate.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import type { IncomingHttpHeaders } from 'node:http';
import { type Agent, request, type RequestOptions } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root } from './copy.ts';
import type { Server } from './live.ts';
import { type Options, Stack } from './stack.ts';

export function makeSecrets(directory: string, name = 'localhost'): void {
  execFileSync(join(root, 'scripts/make-secrets.sh'), ['--dir', directory, '--self-signed', name], {
    stdio: 'pipe',
  });
}

/** A new directory with secrets, and a certificate for this name; the caller removes it. */
export function newSecrets(name?: string): string {
  const directory = mkdtempSync(join(tmpdir(), 'taskapp-secrets-'));
  makeSecrets(directory, name);
  return directory;
}

export interface Call {
  method?: string;
  headers?: Record<string, string>;
  body?: string | Buffer;
  /** A new connection unless given. */
  agent?: Agent;
  timeoutMs?: number;
}
export interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  text: string;
}

/** Where nginx is published over TLS; the options of a connection to it. */
export interface Target {
  host: string;
  port: number;
  servername: string;
  ca: Buffer;
}

/** The production stack under a name of its own. */
export class Production extends Stack {
  readonly secrets: string;
  readonly token: string;
  #target: Target | undefined;

  /** `files` come after those of production. There is no rate limit unless `env` has one. */
  constructor({ files = [], env = {}, ...options }: Options = {}) {
    const secrets = newSecrets();
    super({
      ...options,
      files: ['compose.yml', 'compose.prod.yml', ...files],
      env: { SECRETS_DIR: secrets, RATE_LIMIT: '0', ...env },
    });
    this.secrets = secrets;
    this.token = readFileSync(join(secrets, 'api_token'), 'utf8');
  }

  override async up(options = {}): Promise<void> {
    await super.up(options);
    this.forgetTarget();
  }

  /** Removes the stack with its volumes, images and secrets. */
  async remove(): Promise<void> {
    await this.destroy();
    rmSync(this.secrets, { recursive: true, force: true });
  }

  async port(inside: number): Promise<number> {
    return Number((await this.compose('port', 'web', String(inside))).trim().split(':').at(-1));
  }

  /** Looked up once. Re-creating `web` changes the port: call forgetTarget() then. */
  async target(): Promise<Target> {
    const ca = readFileSync(join(this.secrets, 'tls.crt'));
    return (this.#target ??= {
      host: '127.0.0.1',
      port: await this.port(443),
      servername: 'localhost',
      ca,
    });
  }

  forgetTarget(): void {
    this.#target = undefined;
  }

  /** nginx at its own address, for a client that sends much. */
  async server(): Promise<Server> {
    const { ca } = await this.target();
    return {
      url: `https://${await this.address('web', 'frontend')}`,
      ca,
      headers: { Authorization: `Bearer ${this.token}` },
    };
  }

  /** One request over TLS with the API token. Resolves with the whole answer, or rejects. */
  async https(
    path: string,
    {
      headers = {},
      body = '',
      method = body ? 'POST' : 'GET',
      agent,
      timeoutMs = 20_000,
    }: Call = {},
  ): Promise<Answer> {
    const options: RequestOptions = {
      ...(await this.target()),
      path,
      method,
      agent: agent ?? false,
      timeout: timeoutMs,
    };
    return new Promise((resolve, reject) => {
      const call = request(
        { ...options, headers: { Authorization: `Bearer ${this.token}`, ...headers } },
        (response) => {
          const chunks: Buffer[] = [];
          response.on('data', (chunk: Buffer) => chunks.push(chunk)).on('error', reject);
          response.on('end', () =>
            resolve({
              status: response.statusCode ?? 0,
              headers: response.headers,
              text: Buffer.concat(chunks).toString(),
            }),
          );
        },
      );
      call
        .on('error', reject)
        .on('timeout', () => call.destroy(new Error('no answer in time')))
        .end(body);
    });
  }
}
