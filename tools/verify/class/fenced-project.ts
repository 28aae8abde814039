// A submission as the checks see it: they read its own files, but what they start is within limits.
import { realpathSync } from 'node:fs';
import type { CommandOptions, Ended } from '../command.ts';
import { NotPossible } from '../errors.ts';
import type { Model } from '../model.ts';
import { Project } from '../project.ts';
import { say } from '../texts.ts';
import { type Asked, entriesOf } from './asked.ts';
import { flags } from './docker.ts';
import { label, limitsOf, namesOf } from './fenced.ts';
import { limits } from './limits.ts';
import { refusals } from './policy.ts';

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
  readonly #project: string;

  constructor({ directory, mounted, model, name }: FencedOptions) {
    super({ directory, name });
    this.#project = name;
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

  /** What was built, not the image that the submission names. */
  override imageName(model: Model, service: string): string {
    const isBuilt = model.services[service]?.build !== undefined;
    return isBuilt ? namesOf(this.#project).imageOf(service) : super.imageName(model, service);
  }

  /** The model is read with `docker`: this is for what acts on the containers. */
  override compose(args: string[], options: CommandOptions = {}): Promise<Ended> {
    return super.docker([...this.#fenced, ...args], options);
  }

  /** Containers that a check itself starts run the submission's images. Throws NotPossible. */
  override async docker(args: string[], options: CommandOptions = {}): Promise<Ended> {
    const [command = '', ...rest] = args;
    if (command === 'run' || command === 'create')
      return super.docker([command, ...this.#limits, ...rest], options);
    const acts = command === 'compose' && rest.some((word) => acting.has(word));
    if (!acts) return super.docker(args, options);
    if (!rest.includes('-') || options.input === undefined)
      throw new NotPossible(say('class.beyond-limits'));
    return super.docker(args, { ...options, input: this.#within(String(options.input)) });
  }

  /** A model that a check made of the submission's own, with limits. */
  #within(text: string): string {
    const model = JSON.parse(text) as Asked;
    const refused = refusals(model, realpathSync(this.directory), limits.trialContainers);
    if (refused.length > 0) throw new NotPossible(refused.join('; '));
    const services = entriesOf(model.services).map(([name, service]) => [
      name,
      { ...service, ...limitsOf(service, this.#project) },
    ]);
    return JSON.stringify({ ...model, services: Object.fromEntries(services) as object });
  }
}

/** The commands of `docker compose` that start something, or change what runs. */
const acting = new Set([
  'build',
  'create',
  'down',
  'exec',
  'kill',
  'pull',
  'restart',
  'rm',
  'run',
  'scale',
  'start',
  'stop',
  'up',
  'watch',
]);
