// A control group for the builds of a class: BuildKit itself limits neither memory nor processes.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { failureOf, type Outcome } from './command.ts';
import type { Docker } from './docker.ts';
import { limits } from './limits.ts';

/** Why the builds of a submission cannot be limited on this engine. */
export class NoFence extends Error {}

const script = readFileSync(join(import.meta.dirname, 'fence.sh'), 'utf8');
const proof = join(import.meta.dirname, 'fence.Dockerfile');

export class Fence {
  /** For `docker build --cgroup-parent`. */
  readonly parent: string;
  readonly #name: string;
  readonly #docker: Docker;
  readonly #image: string;

  /** `image` must be trusted, and have a shell: it changes the control groups of the engine. */
  constructor(docker: Docker, image: string, name: string) {
    this.#docker = docker;
    this.#image = image;
    this.#name = name;
    this.parent = `/${name}`;
  }

  /** Makes the group, and shows that a build cannot leave it. Throws NoFence. */
  async raise(): Promise<void> {
    const sizes = [limits.buildMemoryBytes, limits.buildProcesses].map(String);
    const ended = await this.#run('raise', this.#name, ...sizes);
    if (!ended.ok) throw new NoFence(`the control group cannot be made: ${failureOf(ended)}`);
    await this.#prove();
  }

  /** Removes the group, if there is one. */
  async remove(): Promise<void> {
    await this.#run('remove', this.#name);
  }

  async #run(...action: string[]): Promise<Outcome> {
    const options = ['--rm', '-i', '--privileged', '--network', 'none'];
    const mount = ['--volume', '/sys/fs/cgroup:/cgroup'];
    const command = ['--entrypoint', 'sh', this.#image, '-s', '--', ...action];
    const args = ['run', ...options, ...mount, ...command];
    return this.#docker(args, { input: script, limitMs: 120_000 });
  }

  /** A build that tries to start more processes than it may. */
  async #prove(): Promise<void> {
    const context = mkdtempSync(join(tmpdir(), 'taskapp-verify-'));
    const settings = ['--progress', 'plain', '--no-cache', '--cgroup-parent', this.parent];
    const values = [`IMAGE=${this.#image}`, `PROCESSES=${limits.buildProcesses + 100}`];
    const args = values.flatMap((value) => ['--build-arg', value]);
    const command = ['build', ...settings, ...args, '--file', proof, context];
    const ended = await this.#docker(command, { limitMs: 60_000 });
    rmSync(context, { recursive: true });
    const holds = /^#\d+ [\d.]+ the fence holds/m.test(ended.stderr);
    if (!holds) throw new NoFence(`a build is not limited by --cgroup-parent: ${failureOf(ended)}`);
  }
}
