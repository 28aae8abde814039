// A database on three machines, and an app that uses it. A machine is a container, and the services
// of deploy/ha on that machine share its network. Firewall rules in that network cut the machine
// off without a word, as a lost machine or a broken switch does.
import { execFile, execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, readFileSync, rmSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { request, type RequestOptions } from 'node:https';
import { join } from 'node:path';
import { kill } from 'node:process';
import { text } from 'node:stream/consumers';
import type { TLSSocket } from 'node:tls';
import { promisify } from 'node:util';
import { expect, vi } from 'vitest';
import { root } from '../lib/copy.ts';
import { Production } from '../lib/production.ts';
import { docker, processes, Stack } from '../lib/stack.ts';

const run = promisify(execFile);
const files = ['deploy/ha/compose.yml', 'test/ha/compose.yml'];

/** Why networks cannot be cut here; undefined if they can. */
export function networkFault(): string | undefined {
  if (process.getuid?.() !== 0) return 'only root can cut the network of a container';
  try {
    for (const command of ['iptables', 'nsenter']) {
      execFileSync(command, ['--version'], { stdio: 'pipe' });
    }
    return undefined;
  } catch (error) {
    return String(error);
  }
}

/** Runs iptables in the network of a container. */
async function firewall(container: string, ...rules: string[]): Promise<void> {
  const pid = (await docker('inspect', '--format', '{{.State.Pid}}', container)).trim();
  for (const rule of rules) {
    await run('nsenter', [`--net=/proc/${pid}/ns/net`, 'iptables', '-w', ...rule.split(' ')]);
  }
}
const open = ['-F INPUT', '-F OUTPUT'];

/** nginx, the API and HAProxy, with their own networks. */
class App extends Production {
  readonly #cluster: Cluster;

  constructor(cluster: Cluster, env: Record<string, string>) {
    super({ files, env });
    this.#cluster = cluster;
  }

  override async up(): Promise<void> {
    await this.nameImages();
    await this.compose('up', '-d', '--wait', 'web');
  }

  /** What the owner's SQL returns on the primary. */
  override async sql(statement: string): Promise<string> {
    return (await this.#cluster.primary()).sql(statement);
  }

  /** Drops what its HAProxy exchanges with these addresses. */
  async drop(addresses: string[]): Promise<void> {
    const { Id } = await this.inspect('haproxy');
    await firewall(Id, ...addresses.map((address) => `-A OUTPUT -d ${address} -j DROP`));
  }

  async dropNothing(): Promise<void> {
    await firewall((await this.inspect('haproxy')).Id, ...open);
  }

  /** The address of its HAProxy on the network of the machines. */
  async addressOutside(): Promise<string> {
    const { NetworkSettings } = await this.inspect('haproxy');
    return NetworkSettings.Networks[this.env.MACHINES_NETWORK ?? '']?.IPAddress ?? '';
  }
}

interface Answer {
  status: number;
  text: string;
  /** The serial number of the server's certificate. */
  certificate: string;
}
interface Question extends RequestOptions {
  body?: string;
  /** Shows the certificate of the machines. */
  isMachine?: boolean;
}

/** What Patroni says of a node. */
interface Member {
  name: string;
  role: string;
  state: string;
}

/** One machine, with etcd, Patroni and PostgreSQL. */
export class Node extends Stack {
  readonly name: string;
  readonly machine: string;
  ip = '';
  #isFaulty = false;
  #isFrozen = false;

  constructor(name: string, machine: string, env: Record<string, string>) {
    const own = { HA_NAME: name, MACHINE: `container:${machine}` };
    super({ files: ['compose.yml', 'compose.prod.yml', ...files], env: { ...env, ...own } });
    this.name = name;
    this.machine = machine;
  }

  /** Runs a command in the container of db. */
  exec(...command: string[]): Promise<string> {
    return docker('exec', `${this.project}-db-1`, ...command);
  }

  secret(name: string): Buffer {
    return readFileSync(join(this.env.SECRETS_DIR ?? '', name));
  }

  /** Asks Patroni, unless `port` says another. */
  async ask(path: string, { body, isMachine, ...options }: Question = {}): Promise<Answer> {
    const signal = AbortSignal.timeout(2_000);
    const own = isMachine && { cert: this.secret('ha.crt'), key: this.secret('ha.key') };
    const to = { host: this.ip, port: 8008, path, ca: this.secret('ha_ca.crt'), agent: false };
    const question = request({ ...to, ...own, signal, ...options });
    question.on('error', () => {}); // also one after the beginning of the answer
    question.end(body);
    const [answer] = (await once(question, 'response')) as [IncomingMessage];
    const certificate = (answer.socket as TLSSocket).getPeerCertificate().serialNumber;
    return { status: answer.statusCode ?? 0, text: await text(answer), certificate };
  }

  async isPrimary(): Promise<boolean> {
    return this.ask('/primary').then(
      ({ status }) => status === 200,
      () => false,
    );
  }

  /** Drops all packets, except those from and to these addresses. */
  async cut(except: string[] = []): Promise<void> {
    this.#isFaulty = true;
    await firewall(
      this.machine,
      ...except.flatMap((address) => [
        `-A INPUT -s ${address} -j ACCEPT`,
        `-A OUTPUT -d ${address} -j ACCEPT`,
      ]),
      '-A INPUT ! -i lo -j DROP',
      '-A OUTPUT ! -o lo -j DROP',
    );
  }

  /** Loses its power. The others do not even learn that its connections are closed. */
  async lose(): Promise<void> {
    await this.cut();
    await this.kill();
  }

  /** Kills all its processes. */
  async kill(): Promise<void> {
    this.#isFaulty = true;
    await this.compose('kill', 'etcd', 'db');
  }

  /** Stops Patroni, but not PostgreSQL. */
  async freezePatroni(): Promise<void> {
    await this.#signalPatroni('SIGSTOP');
    this.#isFaulty = this.#isFrozen = true;
  }

  async #signalPatroni(signal: NodeJS.Signals): Promise<void> {
    const [pid = 0] = await processes(await this.inspect('db'), /\bpatroni \/tmp\/patroni/);
    kill(pid, signal);
  }

  /** Kills PostgreSQL, and not Patroni. */
  async killPostmaster(): Promise<void> {
    const [pid = 0] = await processes(await this.inspect('db'), /bin\/postgres -D /);
    kill(pid, 'SIGKILL');
  }

  /** Drops what PostgreSQL on the other machines sends. */
  async cutReplication(): Promise<void> {
    await firewall(this.machine, '-A INPUT -p tcp --sport 5432 -j DROP');
  }

  /** Lets all packets through again. */
  async uncut(): Promise<void> {
    await firewall(this.machine, ...open);
  }

  /** Undoes all of the above. */
  async repair(): Promise<void> {
    if (!this.#isFaulty) return;
    await this.uncut();
    await this.compose('start', 'etcd', 'db');
    if (this.#isFrozen) await this.#signalPatroni('SIGCONT');
    this.#isFaulty = this.#isFrozen = false;
  }
}

export class Cluster {
  readonly app: App;
  readonly nodes: Node[];
  readonly #network: string;
  readonly #image: string;

  constructor() {
    this.app = new App(this, { HA_NAME: 'unused', HA_ADDRESS: 'unused' });
    this.#network = `${this.app.project}-nodes`;
    this.#image = `${this.app.project}-ha`;
    Object.assign(this.app.env, { MACHINES_NETWORK: this.#network });
    this.nodes = ['node1', 'node2', 'node3'].map(
      (name) => new Node(name, `${this.app.project}-${name}`, this.app.env),
    );
  }

  get #all(): Stack[] {
    return [this.app, ...this.nodes];
  }

  async up(): Promise<void> {
    await docker('build', '--quiet', '--tag', this.#image, join(root, 'deploy/ha'));
    await docker('network', 'create', this.#network);
    for (const node of this.nodes) await this.#startMachine(node);
    this.#tellAddresses();
    await this.makeCertificates();
    await Promise.all(this.nodes.map((node) => node.compose('up', '-d', 'etcd', 'db')));
    await Promise.all([this.isWhole(), this.app.up()]);
  }

  /** Starts a machine with an address, and nothing on it. */
  async #startMachine(node: Node): Promise<void> {
    const options = ['--detach', '--init', '--name', node.machine, '--network', this.#network];
    await docker('run', ...options, this.#image, 'sleep', 'infinity');
    const format = `{{(index .NetworkSettings.Networks "${this.#network}").IPAddress}}`;
    node.ip = (await docker('inspect', '--format', format, node.machine)).trim();
    node.env.HA_ADDRESS = node.ip;
  }

  #tellAddresses(): void {
    const addresses = this.nodes.map(({ name, ip }) => [`HA_${name.toUpperCase()}`, ip]);
    for (const { env } of this.#all) Object.assign(env, Object.fromEntries(addresses));
  }

  /** A machine with another address in the place of a lost one. Its node is not started yet. */
  async replace(lost: Node): Promise<Node> {
    const node = new Node(lost.name, `${lost.machine}-new`, lost.env);
    await this.#startMachine(node);
    node.env[`HA_${node.name.toUpperCase()}`] = node.ip;
    node.env.HA_ETCD_STATE = 'existing';
    this.nodes.splice(this.nodes.indexOf(lost), 1, node);
    await this.#discard(lost);
    return node;
  }

  async #discard(node: Node): Promise<void> {
    await node.destroy();
    await docker('rm', '--force', node.machine);
  }

  /** Makes a new certificate for the machines. They use it when they start again. */
  async makeCertificates(): Promise<void> {
    const addresses = this.nodes.map(({ ip }) => ip);
    const script = join(root, 'deploy/ha/make-certificates.sh');
    await run(script, ['--dir', this.app.secrets, ...addresses]);
  }

  /** Another app with the same secrets. The caller removes it. */
  async secondApp(): Promise<App> {
    const app = new App(this, { ...this.app.env });
    app.env.SECRETS_DIR = app.secrets;
    for (const name of ['db_pass', 'postgres_password', 'ha_ca.crt']) {
      rmSync(join(app.secrets, name), { force: true });
      copyFileSync(join(this.app.secrets, name), join(app.secrets, name));
    }
    await app.compose('up', '-d', '--wait', '--scale', 'api=1', 'web');
    return app;
  }

  /** Waits for a primary, other than `former` if given. */
  primary(former?: Node): Promise<Node> {
    const look = async () => {
      for (const node of this.nodes) {
        if (node !== former && (await node.isPrimary())) return node;
      }
      throw new Error('there is no primary');
    };
    return vi.waitFor(look, { timeout: 60_000, interval: 200 });
  }

  /** The nodes that follow the primary. */
  async standbys(): Promise<Node[]> {
    const primary = await this.primary();
    return this.nodes.filter((node) => node !== primary);
  }

  /** What the primary knows of all nodes. */
  async members(): Promise<Member[]> {
    const answer = await (await this.primary()).ask('/cluster');
    return (JSON.parse(answer.text) as { members: Member[] }).members;
  }

  /** Waits until all nodes are up, and two follow the primary. A commit waits for one of them. */
  async isWhole(role = 'quorum_standby'): Promise<void> {
    const look = async () => {
      const members = (await this.members()).map((member) => `${member.role} ${member.state}`);
      const standby = `${role} streaming`;
      expect(members.toSorted()).toEqual(['leader running', standby, standby]);
    };
    await vi.waitFor(look, { timeout: 120_000, interval: 500 });
  }

  /** Changes settings of the whole cluster. */
  async configure(settings: object): Promise<void> {
    const primary = await this.primary();
    const auth = `patroni:${primary.secret('patroni_password').toString()}`;
    const body = JSON.stringify(settings);
    const options = { method: 'PATCH', auth, body, isMachine: true };
    const { status } = await primary.ask('/config', options);
    if (status !== 200) throw new Error('Patroni refuses the settings');
  }

  /** Brings lost nodes back. */
  async repair(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.repair()));
    await this.isWhole();
  }

  async remove(): Promise<void> {
    await this.app.remove();
    await Promise.all(this.nodes.map((node) => this.#discard(node)));
    await docker('network', 'rm', this.#network);
    await docker('image', 'rm', '--force', this.#image);
  }
}
