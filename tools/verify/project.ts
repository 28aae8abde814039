// A project as it looks from outside: its files, the model that Compose makes of them, its containers, and what it answers.
// Everything is looked up when it is first asked for, once, and with a limit of time.
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { NotPossible } from './check.ts';
import { type CommandOptions, type Ended, lastLine, run } from './command.ts';
import { type Answer, ask, type Call, certificateName, type Trust } from './http.ts';
import type { Container, Image, Model, Service, Tier } from './model.ts';

export interface ProjectOptions {
  directory: string;
  /** As -f, --env-file and -p of `docker compose`. */
  files?: string[] | undefined;
  envFiles?: string[] | undefined;
  name?: string | undefined;
  /** Where web answers; unless given, where its port is published. */
  url?: string | undefined;
  /** Sent to /api as `Authorization: Bearer`. */
  token?: string | undefined;
  trust?: Trust;
  env?: NodeJS.ProcessEnv;
}

const names = (stem: string) =>
  ['compose', 'docker-compose'].flatMap((name) =>
    ['yml', 'yaml'].map((end) => `${name}${stem}.${end}`),
  );
const baseNames = names('');
const overrideNames = names('.override');
const productionNames = [...names('.prod'), ...names('.production')];

export class Project {
  readonly directory: string;
  readonly options: ProjectOptions;
  /** The title of every task that the checks create begins with it. */
  readonly mark = `verify-${crypto.randomUUID().slice(0, 8)}`;
  /** The ids of tasks that were created and not deleted. */
  readonly created = new Set<number>();
  /** True once something was sent that may have made a task. */
  hasWritten = false;
  readonly #env: NodeJS.ProcessEnv;
  readonly #known = new Map<string, Promise<unknown>>();

  constructor(options: ProjectOptions) {
    this.options = options;
    this.directory = options.directory;
    this.#env = { ...process.env, ...options.env };
  }

  /** What `find` returns, remembered under a name. */
  once<T>(name: string, find: () => Promise<T>): Promise<T> {
    const known = (this.#known.get(name) as Promise<T> | undefined) ?? find();
    this.#known.set(name, known);
    return known;
  }

  // --- files ------------------------------------------------------------------------------------------------------------

  /** The names in the directory itself, or in one below it. */
  fileNames(below = '.'): string[] {
    return readdirSync(join(this.directory, below)).toSorted();
  }

  exists(path: string): boolean {
    return statSync(join(this.directory, path), { throwIfNoEntry: false }) !== undefined;
  }

  read(path: string): string {
    return readFileSync(join(this.directory, path), 'utf8');
  }

  /** Every Compose file of the directory without its comments. */
  composeTexts(): Map<string, string> {
    const found = this.fileNames().filter((name) => /^(docker-)?compose.*\.ya?ml$/.test(name));
    return new Map(found.map((name) => [name, this.read(name).replaceAll(/(^|\s)#.*$/gm, '')]));
  }

  /** The settings files that have values, such as .env, or the examples of them. */
  envFileNames(kind: 'values' | 'examples'): string[] {
    const isExample = (name: string) => /example|sample|template|dist/i.test(name);
    return this.fileNames().filter(
      (name) =>
        (/^\.env($|\.)/.test(name) || (isExample(name) && /env/.test(name))) &&
        isExample(name) === (kind === 'examples'),
    );
  }

  baseFile(): string | undefined {
    return baseNames.find((name) => this.exists(name));
  }

  overrideFile(): string | undefined {
    return overrideNames.find((name) => this.exists(name));
  }

  productionFile(): string | undefined {
    return productionNames.find((name) => this.exists(name));
  }

  /** `git …` in the directory; undefined outside of a work tree. */
  async git(...args: string[]): Promise<Ended | undefined> {
    const git = (...words: string[]) =>
      run('git', ['-c', 'safe.directory=*', ...words], { cwd: this.directory, env: this.#env });
    return (await git('rev-parse', '--is-inside-work-tree')).code === 0 ? git(...args) : undefined;
  }

  // --- the model --------------------------------------------------------------------------------------------------------

  docker(args: string[], options: CommandOptions = {}): Promise<Ended> {
    return run('docker', args, { cwd: this.directory, env: this.#env, ...options });
  }

  /** `docker compose …` with the project's own files. */
  compose(args: string[], options: CommandOptions = {}): Promise<Ended> {
    return this.docker(
      ['compose', ...this.#composeOptions(this.options.files ?? []), ...args],
      options,
    );
  }

  #composeOptions(files: string[], envFiles = this.options.envFiles ?? []): string[] {
    return [
      ...(this.options.name === undefined ? [] : ['-p', this.options.name]),
      ...files.flatMap((file) => ['-f', file]),
      ...envFiles.flatMap((file) => ['--env-file', file]),
    ];
  }

  async #resolve(
    composeOptions: string[],
    env = this.#env,
  ): Promise<{ model: Model; complaints: string }> {
    const { code, stdout, stderr } = await this.docker(
      ['compose', ...composeOptions, 'config', '--format', 'json'],
      { env },
    );
    if (code !== 0) throw new NotPossible(`docker compose config: ${lastLine(stderr)}`);
    return { model: JSON.parse(stdout.toString()) as Model, complaints: stderr };
  }

  /** The model of the chosen files and what Compose complains about. */
  resolved(): Promise<{ model: Model; complaints: string }> {
    return this.once('model', () => this.#resolve(this.#composeOptions(this.options.files ?? [])));
  }

  async model(): Promise<Model> {
    return (await this.resolved()).model;
  }

  /** The same with the services of all profiles. */
  async wholeModel(): Promise<Model> {
    const options = [...this.#composeOptions(this.options.files ?? []), '--profile', '*'];
    return (await this.once('whole model', () => this.#resolve(options))).model;
  }

  /** A service of the model, which must be there. */
  async service(name: Tier): Promise<Service> {
    const service = (await this.model()).services[name];
    if (!service) throw new NotPossible(`there is no service ${name}`);
    return service;
  }

  /** What `docker compose up` takes when nobody names files, and what `-f` with the first of them takes. */
  async defaultAndBase(): Promise<[Model, Model]> {
    const base = this.baseFile();
    if (base === undefined) throw new NotPossible('there is no Compose file');
    const env = { ...this.#env };
    delete env.COMPOSE_FILE;
    const resolve = async (files: string[]) =>
      (await this.#resolve(this.#composeOptions(files), env)).model;
    const byDefault =
      this.options.files || this.#env.COMPOSE_FILE !== undefined ? resolve([]) : this.model();
    return this.once('default and base', () => Promise.all([byDefault, resolve([base])]));
  }

  /** The Compose files that were named, by option, environment or settings. */
  #named(): string[] {
    const { files = [], envFiles = this.#env.COMPOSE_ENV_FILES?.split(',') ?? ['.env'] } =
      this.options;
    if (files.length > 0) return files;
    const inFiles = envFiles
      .filter((file) => this.exists(file))
      .map((file) => /^COMPOSE_FILE=(.*)$/m.exec(this.read(file))?.[1]);
    return (this.#env.COMPOSE_FILE ?? inFiles.find((value) => value !== undefined) ?? '')
      .split(this.#env.COMPOSE_PATH_SEPARATOR ?? ':')
      .filter(Boolean);
  }

  /** True if one of the chosen files is for production. */
  isProduction(): boolean {
    return this.#named().some((file) => /prod/.test(basename(file)));
  }

  /** The model of production with all profiles: of the chosen files where one of them is for production, else of base and production file. */
  async production(): Promise<Model> {
    if (this.isProduction()) return this.wholeModel();
    const [base, production] = [this.baseFile(), this.productionFile()];
    if (base === undefined || production === undefined)
      throw new NotPossible(
        `there is no Compose file for production, such as ${productionNames[0]}`,
      );
    const envFiles =
      this.options.envFiles ??
      ['.env.prod', '.env.prod.example'].filter((name) => this.exists(name)).slice(0, 1);
    const options = [...this.#composeOptions([base, production], envFiles), '--profile', '*'];
    return (await this.once('production', () => this.#resolve(options))).model;
  }

  // --- containers -------------------------------------------------------------------------------------------------------

  async #inspect<T>(args: string[]): Promise<T[]> {
    const { code, stdout, stderr } = await this.docker(['inspect', ...args]);
    if (code !== 0) throw new NotPossible(`docker inspect: ${lastLine(stderr)}`);
    return JSON.parse(stdout.toString()) as T[];
  }

  /** All containers of the project. */
  containers(): Promise<Container[]> {
    return this.once('containers', async () => {
      const { name } = await this.model();
      const label = 'label=com.docker.compose.';
      const { code, stdout, stderr } = await this.docker([
        'ps',
        '--all',
        '--quiet',
        '--filter',
        `${label}project=${name}`,
        '--filter',
        `${label}oneoff=False`,
      ]);
      if (code !== 0) throw new NotPossible(`docker ps: ${lastLine(stderr)}`);
      const ids = stdout.toString().split('\n').filter(Boolean);
      return ids.length === 0 ? [] : this.#inspect<Container>(ids);
    });
  }

  /** Looks the containers and the address up again when they are next asked for: they were changed. */
  forgetContainers(): void {
    for (const name of ['containers', 'url', 'name', 'answers']) this.#known.delete(name);
  }

  async containersOf(service: string): Promise<Container[]> {
    return (await this.containers()).filter(
      ({ Config }) => Config.Labels['com.docker.compose.service'] === service,
    );
  }

  /** A running container of a service. */
  async container(service: Tier): Promise<Container> {
    const running = (await this.containersOf(service)).find(
      ({ State }) => State.Status === 'running',
    );
    if (!running) throw new NotPossible(`${service} does not run`);
    return running;
  }

  /** The image that a service would be started from. */
  async image(name: string): Promise<Image> {
    const model = await this.wholeModel();
    const [container] = await this.containersOf(name);
    for (const image of [
      model.services[name]?.image ?? `${model.name}-${name}`,
      container?.Image,
    ]) {
      const [found] =
        image === undefined
          ? []
          : await this.#inspect<Image>(['--type', 'image', image]).catch(() => []);
      if (found) return found;
    }
    throw new NotPossible(`the image of ${name} is not here: docker compose build, or pull`);
  }

  /** A program of the database's image, run in the network of one of the project's containers, where that need not have it. */
  async beside(container: Container, program: string, ...args: string[]): Promise<Ended> {
    const db = await this.container('db');
    return this.docker([
      'run',
      '--rm',
      '--pull',
      'never',
      '--network',
      `container:${container.Id}`,
      '--entrypoint',
      program,
      db.Image,
      ...args,
    ]);
  }

  /** The login and the database that the image was told to make. */
  async databaseOwner(): Promise<{ user: string; database: string }> {
    const { Config } = await this.container('db');
    const value = (name: string) =>
      Config.Env?.find((line) => line.startsWith(`${name}=`))?.slice(name.length + 1);
    const user = value('POSTGRES_USER') ?? 'postgres';
    return { user, database: value('POSTGRES_DB') ?? user };
  }

  /** A PostgreSQL program in the database's container, as the owner, on the project's database unless another is named. */
  async inDatabase(
    [program = '', ...args]: string[],
    { database, ...options }: CommandOptions & { database?: string | undefined } = {},
  ): Promise<Ended> {
    const [{ Id }, owner] = await Promise.all([this.container('db'), this.databaseOwner()]);
    return this.docker(
      ['exec', '-i', Id, program, '-U', owner.user, '-d', database ?? owner.database, ...args],
      options,
    );
  }

  /** Standard output of an SQL statement, run by the owner. Throws NotPossible with the server's message. */
  async sql(statement: string, database?: string): Promise<string> {
    const { code, stdout, stderr } = await this.inDatabase(
      ['psql', '--no-psqlrc', '-At', '-v', 'ON_ERROR_STOP=1'],
      { input: statement, database },
    );
    if (code !== 0) throw new NotPossible(`psql: ${lastLine(stderr)}`);
    return stdout.toString().trim();
  }

  // --- HTTP -------------------------------------------------------------------------------------------------------------

  /** Where web answers. */
  url(): Promise<URL> {
    return this.once('url', async () => {
      if (this.options.url !== undefined) return new URL(this.options.url);
      const { Ports } = (await this.container('web')).NetworkSettings;
      const published = Object.entries(Ports).flatMap(([port, bindings]) =>
        (bindings ?? []).map((binding) => ({ port, ...binding })),
      );
      const isTls = ({ port }: { port: string }) => /^\d*443\//.test(port); // 443, 8443
      const isPlain = ({ port }: { port: string }) => port.startsWith('80/');
      const best = published.find(isTls) ?? published.find(isPlain) ?? published[0];
      if (!best) throw new NotPossible('web publishes no port: say with --url where it answers');
      const host = ['0.0.0.0', '::', ''].includes(best.HostIp) ? 'localhost' : best.HostIp;
      const scheme = isTls(best) ? 'https' : 'http';
      return new URL(`${scheme}://${host.includes(':') ? `[${host}]` : host}:${best.HostPort}`);
    });
  }

  /** Whom to ask for at an address that we have found: its certificate is for another name. */
  #name(): Promise<string | undefined> {
    return this.once('name', async () => {
      const url = await this.url();
      const isGiven = this.options.url !== undefined;
      return isGiven || url.protocol !== 'https:' ? undefined : certificateName(url);
    });
  }

  /** One request, whether anything answers there or not. */
  async #ask(path: string, call: Call = {}): Promise<Answer> {
    const { token, trust = {} } = this.options;
    const headers = {
      ...(token !== undefined && path.startsWith('/api') && { Authorization: `Bearer ${token}` }),
      ...call.headers,
    };
    const [url, name] = [await this.url(), await this.#name()];
    return ask(new URL(path, url), { ...call, headers }, { ...trust, name });
  }

  /** Throws NotPossible unless something answers at the address, and not by sending us elsewhere. */
  answers(): Promise<void> {
    return this.once('answers', async () => {
      const url = await this.url();
      const answer = await this.#ask('/nginx-health').catch((error: unknown) => error as Error);
      if (answer instanceof NotPossible) throw answer;
      if (answer instanceof Error) throw new NotPossible(`${url.origin}: ${answer.message}`);
      if (url.protocol === 'http:' && answer.status < 400) {
        const { status, location } = await this.#ask('/healthz').catch(() => answer);
        if (status >= 300 && status < 400)
          throw new NotPossible(`${url.origin} redirects to ${location}: name that with --url`);
      }
    });
  }

  /** One request; rejects without an answer. Throws NotPossible where nothing answers at all, or where a token is missing. */
  async http(path: string, call: Call = {}): Promise<Answer> {
    await this.answers();
    const answer = await this.#ask(path, call).catch((error: unknown) => {
      throw new Error(`${call.method ?? 'GET'} ${path}: ${(error as Error).message}`);
    });
    if (answer.status === 401 && path.startsWith('/api')) {
      throw new NotPossible(
        `the API wants ${this.options.token === undefined ? 'a token: set VERIFY_TOKEN' : 'another token than VERIFY_TOKEN'}`,
      );
    }
    return answer;
  }

  /** The status of an answer, undefined without one; for waiting. */
  async status(path: string): Promise<number | undefined> {
    return this.#ask(path).then(
      ({ status }) => status,
      () => undefined,
    );
  }

  /** Asks until the answer is yes; false if it was not within the limit. */
  async eventually(isTrue: () => Promise<boolean>, limitMs: number): Promise<boolean> {
    for (const end = Date.now() + limitMs; Date.now() < end; await sleep(250)) {
      if (await isTrue().catch(() => false)) return true;
    }
    return false;
  }

  /** Deletes what the checks have created and is still there. Returns what could not be deleted. */
  async cleanUp(): Promise<string[]> {
    for (const id of this.created) {
      const status = await this.#ask(`/api/tasks/${id}`, { method: 'DELETE' }).then(
        (answer) => answer.status,
        () => 0,
      );
      if (status === 404) this.created.delete(id);
    }
    if (!this.hasWritten) return [];
    // An API that only says that it deletes, or that never listed what it stored.
    const ids = [0, ...this.created].join();
    const statement = `DELETE FROM tasks WHERE title LIKE '${this.mark}%' OR (id IN (${ids}) AND created_at > now() - interval '1 hour')`;
    const error = await this.sql(statement).then(() => undefined, String);
    return error === undefined || this.created.size === 0
      ? []
      : [`tasks ${ids.slice(2)}, which the checks created, could not be deleted: ${error}`];
  }
}
