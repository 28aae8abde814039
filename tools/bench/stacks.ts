// Boots the stacks that are measured: production, with the API or another server in its place.
import { execFile, execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Variant } from './plan.ts';

const run = promisify(execFile);
export const root = join(import.meta.dirname, '../..');

export const tiers = ['web', 'api', 'db'] as const;
export type Tier = (typeof tiers)[number];

/** A booted stack. */
export interface Stack {
  /** Container ids. */
  ids: Record<Tier, string[]>;
  /** Of web on the frontend network. */
  url: string;
  /** The API's token. */
  token: string;
}

const directory = '/repo/tools/bench'; // in the containers, by compose.variant.yml
const isArm = process.arch === 'arm64';
const bunPackage = isArm ? '@oven/bun-linux-aarch64' : '@oven/bun-linux-x64';
const bun = `${directory}/peer/node_modules/${bunPackage}/bin/bun`;

/** What runs instead of the API's own command. */
const commandOf = (variant: Variant): string =>
  variant === 'bun'
    ? `${bun} ${directory}/peer/server.js`
    : `node ${directory}/variant.ts ${variant}`;

/**
 * Installs Bun and Hono, for the containers: only here, because the 100 MB of Bun are of no use to
 * anything else. Throws if npm fails.
 */
export function installPeer(): void {
  const platform = ['--os=linux', `--cpu=${isArm ? 'arm64' : 'x64'}`, '--libc=glibc'];
  const args = ['ci', '--include=optional', '--no-audit', '--no-fund', ...platform];
  execFileSync('npm', args, { cwd: join(import.meta.dirname, 'peer'), stdio: 'pipe' });
}

export class Stacks {
  readonly #prefix = `taskapp-bench-${process.pid}`;
  readonly #secrets = mkdtempSync(join(tmpdir(), `${this.#prefix}-`));
  /** The projects that were started, and what runs in them. */
  readonly #started = new Map<string, Variant>();

  /** Creates the secrets that all stacks use. Throws if that fails. */
  makeSecrets(): void {
    const args = ['--dir', this.#secrets, '--self-signed', 'localhost'];
    execFileSync(join(root, 'scripts/make-secrets.sh'), args, { stdio: 'ignore' });
  }

  /** Builds a stack, and resolves when it is healthy. Rejects with the message of Compose. */
  async start(name: string, variant: Variant): Promise<Stack> {
    const project = `${this.#prefix}-${name}`;
    this.#started.set(project, variant);
    await this.#compose(project, 'build');
    await this.#compose(project, 'up', '-d', '--wait');
    const [web = [], api = [], db = []] = await Promise.all(
      tiers.map(async (tier) =>
        (await this.#compose(project, 'ps', '--quiet', tier)).trim().split('\n'),
      ),
    );
    const url = `https://${await this.#addressOf(project, web[0] ?? '')}`;
    const token = readFileSync(join(this.#secrets, 'api_token'), 'utf8');
    return { ids: { web, api, db }, url, token };
  }

  async #addressOf(project: string, web: string): Promise<string> {
    const format = `{{(index .NetworkSettings.Networks "${project}_frontend").IPAddress}}`;
    const { stdout } = await run('docker', ['inspect', '--format', format, web]);
    return stdout.trim();
  }

  /** Removes the stacks, their volumes and images, and the secrets, as far as they exist. */
  async remove(): Promise<void> {
    for (const project of this.#started.keys()) {
      const down = this.#compose(project, 'down', '--volumes', '--timeout', '2');
      await down.catch(() => undefined);
    }
    const images = [`${this.#prefix}-api:bench`, `${this.#prefix}-web:bench`];
    await run('docker', ['image', 'rm', '--force', ...images]).catch(() => undefined);
    rmSync(this.#secrets, { recursive: true });
  }

  async #compose(project: string, ...args: string[]): Promise<string> {
    const variant = this.#started.get(project) ?? 'taskapp';
    const names = ['compose.yml', 'compose.prod.yml', 'tools/bench/compose.yml'];
    if (variant !== 'taskapp') names.push('tools/bench/compose.variant.yml');
    const files = names.flatMap((name) => ['-f', name]);
    const env = {
      ...process.env,
      COMPOSE_DISABLE_ENV_FILE: '1',
      LOG_LEVEL: '', // production's default
      HTTP_BIND: '127.0.0.1',
      HTTP_PORT: '0',
      HTTPS_PORT: '0',
      SECRETS_DIR: this.#secrets,
      IMAGE_PREFIX: this.#prefix,
      TAG: 'bench',
      COMMAND: commandOf(variant),
    };
    const command = ['compose', '-p', project, ...files, ...args];
    const { stdout } = await run('docker', command, { cwd: root, env });
    return stdout;
  }
}
