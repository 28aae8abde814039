// A booted stack: the docker command does what a person does.
import { execFile, execFileSync } from 'node:child_process';
import { promisify } from 'node:util';
import { inject, vi } from 'vitest';
import { Project, type ProjectOptions } from '../../tools/verify/project.ts';
import { root } from './copy.ts';

const run = promisify(execFile);
const maxBuffer = 64 * 1024 * 1024; // of output; a log is long

export interface Options {
  /** The directory with the Compose files; the repository unless given. */
  directory?: string;
  files?: string[];
  env?: Record<string, string>;
}

// Free ports of the host, so that the suite runs beside whatever uses 80, 8080 and 5432, and not
// the .env of the person who runs it.
const isolated = {
  HTTP_PORT: '0',
  HTTPS_PORT: '0',
  API_PORT: '0',
  POSTGRES_PORT: '0',
  PROMETHEUS_PORT: '0',
  ALERTMANAGER_PORT: '0',
  GRAFANA_PORT: '0',
  COMPOSE_DISABLE_ENV_FILE: '1',
};

/** Tries again for 20 s: the engine removes no container that it is restarting. */
export const untilAllowed = <T>(remove: () => Promise<T>): Promise<T> =>
  vi.waitFor(remove, { timeout: 20_000, interval: 200 });

/** One Compose project under a name of its own. */
export class Stack {
  readonly project = `taskapp-test-${crypto.randomUUID().slice(0, 8)}`;
  readonly directory: string;
  readonly files: string[];
  readonly env: Record<string, string>;

  constructor({ directory = root, files = ['compose.yml'], env = {} }: Options = {}) {
    this.directory = directory;
    this.files = files;
    this.env = { ...isolated, IMAGE_PREFIX: this.project, TAG: 'test-1', ...env };
  }

  /** Starts all services; resolves when they are healthy. Builds nothing unless told to. */
  async up({ build = false } = {}): Promise<void> {
    if (build) await this.compose('build', 'web', 'api');
    else await this.nameImages();
    await this.compose('up', '-d', '--wait');
  }

  /** Gives the images of this run the names that the Compose files have for them. */
  async nameImages(): Promise<void> {
    const made = inject('images');
    const tag = (image: string, ...names: string[]) =>
      Promise.all(
        names.map((name) => docker('tag', `${made}-${image}`, `${this.project}-${name}`)),
      );
    const version = this.env.TAG;
    await Promise.all([
      tag('web', 'web', `web:${version}`),
      tag('api', 'api', `api:${version}`),
      tag('api:dev', 'api:dev'),
    ]);
  }

  /** Removes the whole project at once, also after a failed start. */
  async destroy(): Promise<void> {
    const everything = ['--volumes', '--remove-orphans', '--rmi', 'local'];
    await untilAllowed(() =>
      this.compose('--profile', '*', 'down', ...everything, '--timeout', '0'),
    );
    // Images with a name of their own are not "local".
    await docker(
      'image',
      'rm',
      '--force',
      ...['api:dev', `api:${this.env.TAG}`, `web:${this.env.TAG}`].map(
        (name) => `${this.project}-${name}`,
      ),
    );
  }

  /** `docker compose …`, returns its standard output. Throws with its standard error. */
  async compose(...args: string[]): Promise<string> {
    const files = this.files.flatMap((file) => ['-f', file]);
    const options = { cwd: this.directory, env: { ...process.env, ...this.env }, maxBuffer };
    const { stdout } = await run(
      'docker',
      ['compose', '-p', this.project, ...files, ...args],
      options,
    );
    return stdout;
  }

  /** The same with bytes on standard input. */
  composeWithInput(input: Buffer, ...args: string[]): Buffer {
    const files = this.files.flatMap((file) => ['-f', file]);
    const env = { ...process.env, ...this.env };
    return execFileSync('docker', ['compose', '-p', this.project, ...files, ...args], {
      cwd: this.directory,
      env,
      input,
      stdio: ['pipe', 'pipe', 'pipe'],
      maxBuffer,
    });
  }

  /** What the owner's SQL returns: a line per row, `|` between columns. */
  sql(statement: string, database?: string): Promise<string> {
    return docker('exec', `${this.project}-db-1`, ...psql(database), '-c', statement);
  }

  /** The stack as `npm run verify` looks at it. */
  asProject(options: Partial<ProjectOptions> = {}): Project {
    return new Project({
      directory: this.directory,
      files: this.files,
      name: this.project,
      env: this.env,
      ...options,
    });
  }

  /** What the engine says of the first container of a service. */
  async inspect(service: string): Promise<Inspection> {
    const first = await docker('inspect', `${this.project}-${service}-1`).catch(() => '[]');
    const [inspection] = JSON.parse(first) as Inspection[];
    if (!inspection) throw new Error(`no container of ${service}`);
    return inspection;
  }

  /** The same of all its replicas. */
  async inspectAll(service: string): Promise<Inspection[]> {
    const ids = (await this.compose('ps', '--all', '--quiet', service))
      .trim()
      .split('\n')
      .filter(Boolean);
    return ids.length === 0 ? [] : (JSON.parse(await docker('inspect', ...ids)) as Inspection[]);
  }

  /** What the first container of a service has written to its standard output. */
  async log(service: string): Promise<string[]> {
    return (await docker('logs', (await this.inspect(service)).Id)).split('\n');
  }

  /** The same with standard error, where nginx has its error log. */
  async logStreams(service: string): Promise<{ stdout: string; stderr: string }> {
    return run('docker', ['logs', (await this.inspect(service)).Id], { maxBuffer });
  }

  async address(service: string, network: 'frontend' | 'backend'): Promise<string> {
    const { NetworkSettings } = await this.inspect(service);
    const address = NetworkSettings.Networks[`${this.project}_${network}`]?.IPAddress;
    if (!address) throw new Error(`${service} has no address on ${network}`);
    return address;
  }

  /** The published IPv4 address of nginx: with port 0, IPv6 gets a different port. */
  async url(): Promise<string> {
    const { Ports } = (await this.inspect('web')).NetworkSettings;
    const published = Ports['80/tcp']?.find(({ HostIp }) => HostIp !== '::');
    if (!published) throw new Error('port 80 of web is not published');
    const host = published.HostIp === '0.0.0.0' ? '127.0.0.1' : published.HostIp;
    return `http://${host}:${published.HostPort}`;
  }

  async fetch(path: string, init?: RequestInit): Promise<Response> {
    return fetch(`${await this.url()}${path}`, { signal: AbortSignal.timeout(20_000), ...init });
  }
}

export interface Inspection {
  Id: string;
  Image: string;
  State: {
    Status: string;
    StartedAt: string;
    Health?: { Status: string };
    ExitCode: number;
    OOMKilled: boolean;
  };
  RestartCount: number;
  Config: {
    User: string;
    Env: string[];
    Cmd: string[];
    Healthcheck?: { Test: string[]; Interval: number; Retries: number };
  };
  HostConfig: {
    Init: boolean | null;
    ReadonlyRootfs: boolean;
    CapDrop: string[] | null;
    SecurityOpt: string[] | null;
    Memory: number;
    NanoCpus: number;
    PidsLimit: number | null;
    RestartPolicy: { Name: string };
    LogConfig: { Type: string; Config: Record<string, string> };
  };
  NetworkSettings: {
    Networks: Record<string, { IPAddress: string }>;
    Ports: Record<string, { HostIp: string; HostPort: string }[] | null>;
  };
}

/** psql as the owner; it prints only rows. */
export const psql = (database = 'taskdb'): string[] => [
  'psql',
  '-Atq',
  '-U',
  'taskapp',
  '-d',
  database,
];

/** `docker …`, returns its standard output. */
export async function docker(...args: string[]): Promise<string> {
  return (await run('docker', args, { maxBuffer })).stdout;
}

/** The host's pids of a container's processes with a matching command line. */
export async function processes({ Id }: Inspection, pattern: RegExp): Promise<number[]> {
  const lines = (await docker('top', Id, '-eo', 'pid,args')).trim().split('\n').slice(1);
  const found = lines
    .map((line) => /^\s*(\d+)\s+(.*)$/.exec(line) ?? [])
    .filter(([, , args = '']) => pattern.test(args));
  if (found.length === 0) throw new Error(`no process fits ${pattern}:\n${lines.join('\n')}`);
  return found.map(([, pid]) => Number(pid));
}

export const postJson = (body: unknown): RequestInit => ({
  method: 'POST',
  headers: { 'Content-Type': 'application/json' },
  body: JSON.stringify(body),
});
