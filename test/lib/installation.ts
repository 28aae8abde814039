// Production as on a server: in a directory of its own, whose scripts a test runs.
import { execFile } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { copyForAll } from './copy.ts';
import { Script, type Server } from './live.ts';
import { docker } from './stack.ts';

const run = promisify(execFile);

/** The lines of a text that are not empty. */
export const lines = (text: string): string[] => text.split('\n').filter(Boolean);

/** A copy of the repository with the settings of production, under a name of its own. */
export class Installation {
  /** Of the Compose project. It is also the prefix of the images. */
  readonly name = `taskapp-test-${crypto.randomUUID().slice(0, 8)}`;
  readonly directory = join(tmpdir(), this.name);
  /** For what runs in the directory: nothing of the shell's own settings. */
  readonly env = {
    COMPOSE_PROJECT_NAME: this.name,
    COMPOSE_FILE: undefined,
    COMPOSE_ENV_FILES: undefined,
    TAG: undefined,
  };

  /** Makes the copy, with settings from the example, free ports, no rate limit, and secrets. */
  async prepare(...more: string[]): Promise<void> {
    copyForAll(this.directory);
    const settings = ['HTTP_PORT=0', 'HTTPS_PORT=0', 'RATE_LIMIT=0', ...more].join('\n');
    const example = readFileSync(this.path('.env.prod.example'), 'utf8');
    this.writeSettings(`${example}\nIMAGE_PREFIX=${this.name}\n${settings}\n`);
    const making = this.script('make-secrets.sh', '--self-signed', 'localhost');
    const { code, output } = await making.ended;
    if (code !== 0) throw new Error(output);
  }

  readonly path = (file: string): string => join(this.directory, file);

  writeSettings(text: string): void {
    writeFileSync(this.path('.env.prod'), text);
  }

  readonly settings = (): string => readFileSync(this.path('.env.prod'), 'utf8');

  /** Starts a script of scripts/. */
  readonly script = (name: string, ...args: string[]): Script =>
    new Script(this.directory, this.env, name, ...args);

  readonly compose = async (...args: string[]): Promise<string> => {
    const files = ['-f', 'compose.yml', '-f', 'compose.prod.yml', '--env-file', '.env.prod'];
    const options = { cwd: this.directory, env: { ...process.env, ...this.env } };
    return (await run('docker', ['compose', ...files, ...args], options)).stdout;
  };

  /** Their ids, also of those that have stopped. */
  readonly containers = async (service: string): Promise<string[]> =>
    lines(await this.compose('ps', '--all', '--quiet', '--no-trunc', service)).toSorted();

  /** nginx at its own address: Docker's proxy for published ports would be the first to give up. */
  readonly server = async (): Promise<Server> => {
    const [web = ''] = await this.containers('web');
    const format = `{{(index .NetworkSettings.Networks "${this.name}_frontend").IPAddress}}`;
    const address = (await docker('inspect', '--format', format, web)).trim();
    const token = readFileSync(this.path('secrets/api_token'), 'utf8').trim();
    return {
      url: `https://${address}`,
      headers: { Authorization: `Bearer ${token}` },
      ca: readFileSync(this.path('secrets/tls.crt')),
    };
  };

  /** Removes the stack with its volumes, the images with its prefix, and the directory. */
  async remove(): Promise<void> {
    await this.compose('down', '--volumes', '--remove-orphans', '--timeout', '5');
    const format = ['--format', '{{.Repository}}:{{.Tag}}'];
    const made = await docker('image', 'ls', ...format, '--filter', `reference=${this.name}-*`);
    if (made) await docker('image', 'rm', '--force', ...lines(made));
    rmSync(this.directory, { recursive: true });
  }
}
