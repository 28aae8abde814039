// deploy/swarm on three nodes, with the images of this run and a database outside.
import { execFile } from 'node:child_process';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { vi } from 'vitest';
import { root } from '../lib/copy.ts';
import { type Answer, Connection, type Server } from '../lib/live.ts';
import { newSecrets } from '../lib/production.ts';
import { docker, Stack } from '../lib/stack.ts';
import { Network, Node } from './nodes.ts';

const run = promisify(execFile);
export const patience = { timeout: 90_000, interval: 500 };

/** A task that should run, as `docker service ps` prints it. */
export interface Task {
  Image: string;
  Node: string;
  CurrentState: string;
}

/** A node, as `docker node ls` prints it. */
export interface ListedNode {
  Hostname: string;
  Status: 'Ready' | 'Down';
  ManagerStatus: 'Leader' | 'Reachable' | 'Unreachable';
}

const jsonLines = <T>(text: string): T[] =>
  text
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as T);

export class Swarm {
  readonly #network = new Network();
  readonly nodes = [1, 2, 3].map((number) => new Node(this.#network, number));
  readonly secrets = newSecrets();
  readonly database: Stack;
  readonly #databaseSecrets = newSecrets(this.#network.address);

  constructor() {
    this.database = new Stack({
      files: ['compose.yml', 'test/swarm/compose.yml'],
      env: { DATABASE_ADDRESS: this.#network.address, DB_PASS: this.secret('db_pass') },
    });
    copyFileSync(join(this.#databaseSecrets, 'tls.crt'), join(this.secrets, 'db-ca.crt'));
  }

  async start(): Promise<void> {
    await Promise.all([this.#startDatabase(), this.#startNodes()]);
    await this.#loadImages();
  }

  async remove(): Promise<void> {
    const parts = [...this.nodes.map((node) => node.remove()), this.database.destroy()];
    const ends = await Promise.allSettled(parts); // a failure must not keep the others
    this.#network.remove();
    for (const directory of [this.secrets, this.#databaseSecrets])
      rmSync(directory, { recursive: true });
    const failed = ends.find((end) => end.status === 'rejected');
    if (failed) throw new Error('a part of the swarm is left', { cause: failed.reason });
  }

  /** `docker stack deploy` with these settings, through the first of these nodes. */
  async deploy(settings: Record<string, string> = {}, [node] = this.nodes): Promise<void> {
    const env = {
      ...process.env,
      DB_HOST: this.#network.address,
      IMAGE_PREFIX: this.database.project,
      RATE_LIMIT: '0',
      SECRETS_DIR: this.secrets,
      TAG: 'test-1',
      ...settings,
    };
    const files = ['-c', this.#stackFile(), '-c', 'deploy/swarm/db-ca.yml'];
    const options = ['--detach=false', '--quiet', '--resolve-image', 'never'];
    const args = ['--host', node!.host, 'stack', 'deploy', ...files, ...options, 'taskapp'];
    await run('docker', args, { cwd: root, env });
  }

  /** Whether web and api encrypt what they say to each other. */
  get isEncrypted(): boolean {
    return this.#network.canEncrypt;
  }

  /** stack.yml, or a copy without encryption if the kernel has none. */
  #stackFile(): string {
    const file = join(root, 'deploy/swarm/stack.yml');
    if (this.isEncrypted) return file;
    const copy = join(this.secrets, 'stack.yml');
    writeFileSync(copy, readFileSync(file, 'utf8').replace(/^ +driver_opts: .*encrypted.*\n/m, ''));
    return copy;
  }

  /** Gives this run's images one more version. `change` is an instruction of web's Dockerfile. */
  async addVersion(tag: string, change?: string): Promise<void> {
    const image = (tier: string, version: string) => `${this.database.project}-${tier}:${version}`;
    const add = async (node: Node) => {
      await node.docker('tag', image('api', 'test-1'), image('api', tag));
      if (!change) return node.docker('tag', image('web', 'test-1'), image('web', tag));
      const id = (await node.docker('create', image('web', 'test-1'))).trim();
      await node.docker('commit', '--change', change, id, image('web', tag));
      return node.docker('rm', id);
    };
    await Promise.all(this.nodes.map(add));
  }

  /** The tasks of a service that should run. */
  async tasks(service: 'web' | 'api', [node] = this.nodes): Promise<Task[]> {
    const filter = ['--filter', 'desired-state=running', '--format', 'json'];
    const text = await node!.docker('service', 'ps', `taskapp_${service}`, ...filter);
    return jsonLines(text);
  }

  /** The names of the nodes where a service runs, and is healthy. */
  async running(service: 'web' | 'api', nodes = this.nodes): Promise<string[]> {
    const tasks = await this.tasks(service, nodes);
    return tasks
      .filter(({ CurrentState }) => CurrentState.startsWith('Running'))
      .map(({ Node: name }) => name)
      .toSorted();
  }

  /** How the last update of a service ended, or how far it is. */
  async updateState(service: 'web' | 'api'): Promise<string> {
    const format = ['--format', '{{.UpdateStatus.State}}'];
    return (
      await this.nodes[0]!.docker('service', 'inspect', ...format, `taskapp_${service}`)
    ).trim();
  }

  /** The nodes, as the first of these sees them. */
  async listed([node] = this.nodes): Promise<ListedNode[]> {
    return jsonLines(await node!.docker('node', 'ls', '--format', 'json'));
  }

  /** These nodes under one name, for a client that tries one address after the other. */
  server(nodes = this.nodes): Server & { headers: Record<string, string> } {
    return {
      url: 'https://nodes.test',
      ca: readFileSync(join(this.secrets, 'tls.crt')),
      headers: { Authorization: `Bearer ${this.secret('api_token').split('\n')[0]}` },
      addresses: nodes.map(({ address }) => address),
    };
  }

  async get(path: string, server: Server): Promise<Answer> {
    const connection = new Connection(server);
    return connection.send({ method: 'GET', path }).finally(() => connection.close());
  }

  secret(name: string): string {
    return readFileSync(join(this.secrets, name), 'utf8');
  }

  async #startNodes(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.powerOn()));
    const [first, ...others] = this.nodes as [Node, ...Node[]];
    const pool = ['--default-addr-pool', '10.200.0.0/16']; // as in docs/swarm.md
    await first.docker('swarm', 'init', '--advertise-addr', first.address, ...pool);
    const token = (await first.docker('swarm', 'join-token', '--quiet', 'manager')).trim();
    for (const node of others) {
      const options = ['--token', token, '--advertise-addr', node.address];
      await node.docker('swarm', 'join', ...options, `${first.address}:2377`);
    }
    for (const { name } of this.nodes)
      await vi.waitFor(() => first.docker('node', 'update', '--label-add', 'web=true', name));
  }

  async #startDatabase(): Promise<void> {
    await this.database.nameImages();
    await this.database.compose('up', '-d', '--wait', 'db');
    for (const [name, file] of [
      ['tls.crt', 'server.crt'],
      ['tls.key', 'server.key'],
    ] as const) {
      const command = ['sh', '-c', `umask 077; cat >"$PGDATA/${file}"`];
      const content = readFileSync(join(this.#databaseSecrets, name));
      this.database.composeWithInput(content, 'exec', '-T', '-u', 'postgres', 'db', ...command);
    }
    await this.database.sql('ALTER SYSTEM SET ssl = on');
    await this.database.sql('SELECT pg_reload_conf()');
  }

  /** Copies the images to each node, because there is no registry. */
  async #loadImages(): Promise<void> {
    const directory = mkdtempSync(join(tmpdir(), 'taskapp-images-'));
    const file = join(directory, 'images.tar');
    const images = ['web', 'api'].map((tier) => `${this.database.project}-${tier}:test-1`);
    await docker('save', '--output', file, ...images);
    const load = (node: Node) => run('docker', ['--host', node.host, 'load', '--input', file]);
    await Promise.all(this.nodes.map(load)).finally(() => rmSync(directory, { recursive: true }));
  }
}
