// A Compose project as seen from outside: where it is, and how to run commands on it.
import { type CommandOptions, type Ended, execute } from './command.ts';
import type { Trust } from './http.ts';
import type { Model } from './model.ts';

export interface ProjectOptions {
  directory: string;
  /** As -f, --env-file and -p of `docker compose`. */
  files?: string[] | undefined;
  envFiles?: string[] | undefined;
  name?: string | undefined;
  /** Where web answers; by default, where its port is published. */
  url?: string | undefined;
  /** A command that runs psql as the owner, if the database is in no container of this engine. */
  psql?: string[] | undefined;
  /** Sent to /api as `Authorization: Bearer`. */
  token?: string | undefined;
  trust?: Trust;
  /** Whether a check may run the scripts of the project on this machine. */
  mayRunScripts?: boolean;
  /** Added to the environment of this process. */
  env?: NodeJS.ProcessEnv;
}

export class Project {
  readonly directory: string;
  readonly options: ProjectOptions;
  readonly env: NodeJS.ProcessEnv;
  /** As -p of `docker compose`; a stack of this directory may run under another name. */
  name: string | undefined;
  /** The prefix of every title that the checks create. */
  readonly mark = `verify-${crypto.randomUUID().slice(0, 8)}`;
  /** The ids of tasks that the checks created and have not deleted yet. */
  readonly created = new Set<string>();
  /** How many requests have been sent that may change tasks. */
  writes = 0;
  /** How many requests the application has not answered: each may have made it crash. */
  unanswered = 0;
  /** True once the table has been copied: from then on, nothing may get lost. */
  hasCopy = false;
  /** Milliseconds that were spent on waiting for a slow stack. They count in no time limit. */
  waitedMs = 0;
  /** Closes what stays open until the run ends. */
  readonly atEnd: (() => void)[] = [];
  readonly #known = new Map<string, Promise<unknown>>();

  constructor(options: ProjectOptions) {
    this.options = options;
    this.name = options.name;
    this.directory = options.directory;
    this.env = { ...process.env, ...options.env };
  }

  /** The result of `find`, which runs only the first time that this name is asked for. */
  once<T>(name: string, find: () => Promise<T>): Promise<T> {
    const known = (this.#known.get(name) as Promise<T> | undefined) ?? find();
    this.#known.set(name, known);
    return known;
  }

  /** Makes `once` find these again. */
  forget(...names: string[]): void {
    for (const name of names) this.#known.delete(name);
  }

  /** The name of the image of a service. */
  imageName({ name, services }: Model, service: string): string {
    return services[service]?.image ?? `${name}-${service}`;
  }

  /** `docker …` in the project's directory. Throws as `execute` does. */
  docker(args: string[], options: CommandOptions = {}): Promise<Ended> {
    return execute('docker', args, { cwd: this.directory, env: this.env, ...options });
  }

  /** `docker compose …` with the project's own files. Throws as `execute` does. */
  compose(args: string[], options: CommandOptions = {}): Promise<Ended> {
    return this.docker(['compose', ...this.composeOptions(), ...args], options);
  }

  /** The options that tell `docker compose` which project and which files to use. */
  composeOptions(
    files = this.options.files ?? [],
    envFiles = this.options.envFiles ?? [],
  ): string[] {
    return [
      ...(this.name === undefined ? [] : ['-p', this.name]),
      ...files.flatMap((file) => ['-f', file]),
      ...envFiles.flatMap((file) => ['--env-file', file]),
    ];
  }

  /** `git …` in the directory; undefined outside a work tree. Throws as `execute` does. */
  async git(...args: string[]): Promise<Ended | undefined> {
    const { code } = await this.#git(['rev-parse', '--is-inside-work-tree']);
    return code === 0 ? this.#git(args) : undefined;
  }

  /** The same with an input, in a directory that is known to be in a work tree. */
  gitWith(input: string, ...args: string[]): Promise<Ended> {
    return this.#git(args, input);
  }

  #git(args: string[], input = ''): Promise<Ended> {
    const options = { cwd: this.directory, env: this.env, input };
    // A repository can name a program that git would start: not on this machine.
    const settings = ['-c', 'safe.directory=*', '-c', 'core.fsmonitor=false'];
    return execute('git', [...settings, ...args], options);
  }
}
