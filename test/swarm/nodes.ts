// Nodes with a dockerd each, but without virtual machines: a node is a network namespace and a
// process namespace, and a bridge in another network namespace connects the nodes. So nothing here
// touches the network of the engine that other tests use.
import { type ChildProcess, execFile, execFileSync, spawn, spawnSync } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { memoryDirectory } from '../lib/memory.ts';

const run = promisify(execFile);
const program = join(import.meta.dirname, 'node.sh');
const ip = (...args: string[]) => execFileSync('ip', args, { stdio: 'pipe' }).toString();

/** Why no nodes can be made here; undefined if they can. */
export function nodesFault(): string | undefined {
  if (process.getuid?.() !== 0) return 'it needs root';
  const needed = ['ip', 'nsenter', 'unshare', 'dockerd', 'docker-init'];
  const missing = needed.find((command) => spawnSync(command, ['--version']).error);
  return missing && `the ${missing} command is not installed`;
}

/** The cable and the switch between the nodes, and this machine as `address`. */
export class Network {
  readonly name = `tsk${crypto.randomUUID().slice(0, 6)}`; // an interface has at most 15 characters
  // From the range that is reserved for testing network devices (RFC 2544).
  readonly #prefix = `198.18.${randomInt(1, 255)}`;
  readonly address = `${this.#prefix}.1`;
  readonly #switch = `${this.name}-switch`;
  /** Whether the kernel can encrypt what nodes send to each other (ESP). */
  readonly canEncrypt: boolean;

  constructor() {
    ip('netns', 'add', this.#switch);
    this.#inSwitch('link', 'add', 'bridge', 'type', 'bridge');
    this.#inSwitch('link', 'set', 'bridge', 'up');
    ip('link', 'add', this.name, 'type', 'veth', 'peer', 'name', 'host', 'netns', this.#switch);
    ip('address', 'add', `${this.address}/24`, 'dev', this.name);
    ip('link', 'set', this.name, 'up');
    this.#plug('host');
    this.canEncrypt = this.#encrypts();
  }

  /** Makes a namespace with a cable to the switch; returns its address. */
  connect(namespace: string, number: number): string {
    const address = `${this.#prefix}.${10 + number}`;
    const port = `node${number}`;
    ip('netns', 'add', namespace);
    const peer = ['peer', 'name', 'eth0', 'netns', namespace];
    this.#inSwitch('link', 'add', port, 'type', 'veth', ...peer);
    ip('-n', namespace, 'address', 'add', `${address}/24`, 'dev', 'eth0');
    ip('-n', namespace, 'link', 'set', 'eth0', 'up');
    this.#plug(port);
    return address;
  }

  unplug(number: number): void {
    this.#inSwitch('link', 'delete', `node${number}`);
  }

  remove(): void {
    ip('netns', 'delete', this.#switch);
  }

  /** Adds a key where no traffic uses it. Works once: a second call would find that key. */
  #encrypts(): boolean {
    const to = ['src', '198.51.100.1', 'dst', '198.51.100.2', 'proto', 'esp', 'spi', '1'];
    const key = `0x${'0'.repeat(40)}`;
    const state = ['xfrm', 'state', 'add', ...to, 'aead', 'rfc4106(gcm(aes))', key, '64'];
    return spawnSync('ip', ['-n', this.#switch, ...state]).status === 0;
  }

  #plug(port: string): void {
    this.#inSwitch('link', 'set', port, 'master', 'bridge', 'up');
  }

  #inSwitch(...args: string[]): void {
    ip('-n', this.#switch, ...args);
  }
}

// What scripts/provision.sh writes, as docs/swarm.md changes it.
const daemonSettings = {
  ip: '127.0.0.1',
  'default-network-opts': {
    bridge: { 'com.docker.network.bridge.host_binding_ipv4': '127.0.0.1' },
  },
  'no-new-privileges': true,
};

export class Node {
  readonly name: string;
  readonly number: number;
  address = '';
  readonly #network: Network;
  readonly #namespace: string;
  readonly #directory: string;
  #process: ChildProcess | undefined;
  #log = '';

  constructor(network: Network, number: number) {
    this.#network = network;
    this.number = number;
    this.name = `node${number}`;
    this.#namespace = `${network.name}-${number}`;
    this.#directory = mkdtempSync(join(memoryDirectory(), `${this.#namespace}-`));
    mkdirSync(join(this.#directory, 'data'));
    writeFileSync(join(this.#directory, 'daemon.json'), JSON.stringify(daemonSettings));
  }

  /** Resolves when its engine answers. */
  async powerOn(): Promise<void> {
    this.address = this.#network.connect(this.#namespace, this.number);
    const namespaces = ['--mount', '--uts', '--pid', '--fork', '--mount-proc', '--kill-child'];
    this.#process = spawn(
      'nsenter',
      [
        `--net=/run/netns/${this.#namespace}`,
        'unshare',
        ...namespaces,
        program,
        this.name,
        this.#directory,
        `/${this.#namespace}`,
      ],
      // As docs/swarm.md says for nodes without a registry. Otherwise each task would first wait for
      // a registry that does not answer.
      { env: { PATH: process.env.PATH, DOCKER_SERVICE_PREFER_OFFLINE_IMAGE: '1' } },
    );
    const keep = (chunk: Buffer) => (this.#log = `${this.#log}${chunk.toString()}`.slice(-20_000));
    this.#process.stdout?.on('data', keep);
    this.#process.stderr?.on('data', keep);
    const deadline = Date.now() + 60_000;
    while (!(await this.#answers())) {
      if (this.#process.exitCode !== null || Date.now() > deadline)
        throw new Error(`dockerd of ${this.name} does not answer:\n${this.#log}`);
      await sleep(200);
    }
  }

  /** As if its plug were pulled: nobody is told, and only its disk remains. */
  async powerOff(): Promise<void> {
    const child = this.#process;
    if (!child) return;
    this.#process = undefined;
    this.#network.unplug(this.number);
    const hasExited = child.exitCode !== null || child.signalCode !== null;
    const exited = hasExited ? undefined : once(child, 'exit');
    child.kill('SIGKILL'); // --kill-child ends the namespace with all that runs in it
    await exited;
    while (ip('netns', 'pids', this.#namespace).trim() !== '') await sleep(50);
    ip('netns', 'delete', this.#namespace);
  }

  async remove(): Promise<void> {
    await this.powerOff();
    rmSync(this.#directory, { recursive: true, force: true });
    for (const hierarchy of readdirSync('/sys/fs/cgroup'))
      removeGroups(join('/sys/fs/cgroup', hierarchy, this.#namespace));
    removeGroups(join('/sys/fs/cgroup', this.#namespace));
  }

  /** `docker …` on this node; returns its standard output. */
  async docker(...args: string[]): Promise<string> {
    return (await run('docker', ['--host', this.host, ...args])).stdout;
  }

  /** Whether it has keys for what it sends to other nodes. */
  encrypts(): boolean {
    return ip('-n', this.#namespace, 'xfrm', 'state').includes('proto esp');
  }

  get host(): string {
    return `unix://${this.#directory}/docker.sock`;
  }

  async #answers(): Promise<boolean> {
    return this.docker('info', '--format', '{{.ServerVersion}}').then(
      () => true,
      () => false,
    );
  }
}

/** Removes a control group and all below it, which have no processes any more. */
function removeGroups(directory: string): void {
  let entries;
  try {
    entries = readdirSync(directory, { withFileTypes: true });
  } catch {
    return; // not there
  }
  for (const entry of entries) if (entry.isDirectory()) removeGroups(join(directory, entry.name));
  rmdirSync(directory);
}
