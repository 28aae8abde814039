// Boots the stacks that are measured, one for each variant of the API.
import { execFile, execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type Tier, tiers, type Variant, variants } from './plan.ts';

const run = promisify(execFile);
export const root = join(import.meta.dirname, '../..');

/** A booted stack. */
export interface Stack {
  /** Container ids. */
  ids: Record<Tier, string>;
  /** The IP address of web on the frontend network. */
  address: string;
}

export class Stacks {
  readonly #prefix = `taskapp-bench-${process.pid}`;
  readonly #secrets = mkdtempSync(join(tmpdir(), `${this.#prefix}-`));

  /** Creates the secrets that all stacks use. Throws if that fails. */
  makeSecrets(): void {
    const args = ['--dir', this.#secrets, '--self-signed', 'localhost'];
    execFileSync(join(root, 'scripts/make-secrets.sh'), args, { stdio: 'ignore' });
  }

  /** Builds a stack, and resolves when it is healthy. Rejects with the message of Compose. */
  async start(variant: Variant): Promise<Stack> {
    await this.#compose(variant, 'build');
    await this.#compose(variant, 'up', '-d', '--wait');
    const ids = await Promise.all(
      tiers.map((tier) => this.#compose(variant, 'ps', '--quiet', tier)),
    );
    const [web = '', api = '', db = ''] = ids.map((id) => id.trim());
    return { ids: { web, api, db }, address: await this.#addressOf(variant, web) };
  }

  async #addressOf(variant: Variant, web: string): Promise<string> {
    const network = `${this.#projectOf(variant)}_frontend`;
    const format = `{{(index .NetworkSettings.Networks "${network}").IPAddress}}`;
    const { stdout } = await run('docker', ['inspect', '--format', format, web]);
    return stdout.trim();
  }

  /** Removes the stacks, their volumes and images, and the secrets, as far as they exist. */
  async remove(): Promise<void> {
    for (const variant of variants) {
      const down = this.#compose(variant, 'down', '--volumes', '--timeout', '2');
      await down.catch(() => undefined);
    }
    const images = [`${this.#prefix}-api:bench`, `${this.#prefix}-web:bench`];
    await run('docker', ['image', 'rm', '--force', ...images]).catch(() => undefined);
    rmSync(this.#secrets, { recursive: true });
  }

  #projectOf(variant: Variant): string {
    return `${this.#prefix}-${variant}`;
  }

  async #compose(variant: Variant, ...args: string[]): Promise<string> {
    const names = ['compose.yml', 'compose.prod.yml', 'tools/bench/compose.yml'];
    const files = names.flatMap((name) => ['-f', name]);
    const env = {
      ...process.env,
      COMPOSE_DISABLE_ENV_FILE: '1',
      HTTP_BIND: '127.0.0.1',
      HTTP_PORT: '0',
      HTTPS_PORT: '0',
      SECRETS_DIR: this.#secrets,
      IMAGE_PREFIX: this.#prefix,
      TAG: 'bench',
      VARIANT: variant,
    };
    const command = ['compose', '-p', this.#projectOf(variant), ...files, ...args];
    const { stdout } = await run('docker', command, { cwd: root, env });
    return stdout;
  }
}
