// A submission as the checks see it: they read its own files, but what they start is within limits.
import type { CommandOptions, Ended } from '../command.ts';
import { Project } from '../project.ts';
import { flags } from './docker.ts';
import { label } from './fenced.ts';
import { limits } from './limits.ts';

export interface FencedOptions {
  /** A copy of the folder that no container can write to. */
  directory: string;
  /** The copy that the containers were started from. */
  mounted: string;
  /** The model that they were started from. */
  model: string;
  name: string;
}

export class FencedProject extends Project {
  readonly #fenced: string[];
  readonly #limits: string[];

  constructor({ directory, mounted, model, name }: FencedOptions) {
    super({ directory, name });
    this.#fenced = ['compose', '-p', name, '--project-directory', mounted, '-f', model];
    this.#limits = flags({
      label: `${label}=${name}`,
      memory: limits.memoryBytes,
      'memory-swap': limits.memoryBytes,
      'pids-limit': limits.processes,
      cpus: limits.cpus,
      ulimit: `fsize=${limits.fileBytes}`,
      'log-opt': `max-size=${limits.logSize}`,
    });
  }

  /** The model is read with `docker`: this is for what acts on the containers. */
  override compose(args: string[], options: CommandOptions = {}): Promise<Ended> {
    return this.docker([...this.#fenced, ...args], options);
  }

  /** Containers that a check itself starts run the submission's images. */
  override docker(args: string[], options: CommandOptions = {}): Promise<Ended> {
    const [command = '', ...rest] = args;
    const startsOne = command === 'run' || command === 'create';
    return super.docker(startsOne ? [command, ...this.#limits, ...rest] : args, options);
  }
}
