// deploy/swarm on three nodes under load: a release, a rollback, a drained node, and lost nodes.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { full, measured } from '../faults/figures.ts';
import { Load } from '../lib/live.ts';
import { nodesFault, type Node } from './nodes.ts';
import { patience, Swarm } from './swarm.ts';

const about = ({ failures, sent, slowestMs }: Load) =>
  `${failures.length} of ${sent} requests failed, the slowest took ${Math.round(slowestMs)} ms`;
const names = (nodes: Node[]) => nodes.map(({ name }) => name);
/** Seconds since this call. */
const stopwatch = () => {
  const start = performance.now();
  return () => Math.round((performance.now() - start) / 1_000);
};

const fault = nodesFault() ?? inject('notRunBecause');
if (fault) console.warn(`SWARM NOT RUN: ${fault}`);

describe.skipIf(fault)('a swarm of three nodes', { timeout: 240_000 }, () => {
  let swarm: Swarm;

  beforeAll(async () => {
    swarm = new Swarm();
    await swarm.start();
    await swarm.deploy();
  });
  afterAll(() => swarm.remove());

  const images = async (service: 'web' | 'api') => {
    const tasks = await swarm.tasks(service);
    return tasks.map(({ Image }) => Image.split(':').at(-1));
  };

  /** The container of a service on a node. */
  const containerOn = async (node: Node, service: 'web' | 'api') => {
    const label = `label=com.docker.swarm.service.name=taskapp_${service}`;
    return (await node.docker('ps', '--quiet', '--filter', label)).trim();
  };
  const nodeOf = (name: string) => swarm.nodes.find((node) => node.name === name)!;
  const without = (lost: Node) => swarm.nodes.filter((node) => node !== lost);

  it('has web on each node and the API on two, and each node answers', async () => {
    await expect.poll(() => swarm.running('web'), patience).toEqual(names(swarm.nodes));
    expect(new Set(await swarm.running('api')).size).toBe(2);
    for (const node of swarm.nodes) {
      const server = swarm.server([node]);
      const status = async (headers: Record<string, string>) =>
        (await swarm.get('/api/tasks', { ...server, headers })).status;
      await expect.poll(() => status(server.headers), patience).toBe(200);
      expect(await status({})).toBe(401);
    }
  });

  it('sees the addresses of its clients, and speaks TLS to the database', async () => {
    const [node] = swarm.nodes;
    const log = async () => node!.docker('logs', await containerOn(node!, 'web'));
    const client = swarm.database.env.DATABASE_ADDRESS; // this machine
    await expect.poll(log, patience).toContain(`"client":"${client}"`);
    const connections = `
      SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
      WHERE usename = 'taskapp_api'`;
    expect((await swarm.database.sql(connections)).trim()).toBe('t');
  });

  it('takes its network from the address pool, and encrypts it if the kernel can', async () => {
    const [node] = swarm.nodes;
    const text = await node!.docker('network', 'inspect', 'taskapp_frontend');
    const [network] = JSON.parse(text) as {
      IPAM: { Config: { Subnet: string }[] };
      Options: Record<string, string>;
    }[];
    expect(network?.IPAM.Config[0]?.Subnet).toMatch(/^10\.200\./);
    expect('encrypted' in network!.Options).toBe(swarm.isEncrypted);
    for (const each of swarm.nodes)
      await expect.poll(() => each.encrypts(), patience).toBe(swarm.isEncrypted);
    if (!swarm.isEncrypted) console.warn('NOT ENCRYPTED: the kernel has no ESP');
  });

  it.each(['web', 'api'] as const)(
    'runs %s without privileges, within its limits',
    async (tier) => {
      const [name = ''] = await swarm.running(tier);
      const container = await containerOn(nodeOf(name), tier);
      const status = await nodeOf(name).docker('exec', container, 'cat', '/proc/1/status');
      expect(status).toMatch(/^CapEff:\s0+$/m);
      expect(status).toMatch(/^NoNewPrivs:\s1$/m);
      expect(status).not.toMatch(/^Uid:\s0/m);
      const format = '{{json .HostConfig}}';
      const config = await nodeOf(name).docker('inspect', '--format', format, container);
      const limits = { web: [512, 64], api: [256, 128] }[tier];
      expect(JSON.parse(config)).toMatchObject({
        ReadonlyRootfs: true,
        Init: true,
        Memory: limits[0]! * 1024 ** 2,
        PidsLimit: limits[1],
        LogConfig: { Type: 'json-file', Config: { 'max-size': '10m' } },
      });
    },
  );

  it('releases a version and another API token without a failed request', async () => {
    await swarm.addVersion('test-2');
    const before = swarm.secret('api_token');
    const added = 'a-token-that-was-added';
    writeFileSync(join(swarm.secrets, 'api_token'), `${before}\n${added}\n`);
    const running = new Load(swarm.server());
    await swarm.deploy({ TAG: 'test-2', API_TOKEN_VERSION: '2' });
    await running.stop();
    expect(running.failures).toEqual([]);
    measured(about(running));
    expect(await images('web')).toEqual(['test-2', 'test-2', 'test-2']);
    expect(await images('api')).toEqual(['test-2', 'test-2']);
    for (const token of [before, added]) {
      const headers = { Authorization: `Bearer ${token}` };
      expect(await swarm.get('/api/tasks', { ...swarm.server(), headers })).toMatchObject({
        status: 200,
      });
    }
  });

  it.runIf(full)('goes back by itself from a version that does not become healthy', async () => {
    await swarm.addVersion('test-3', 'CMD ["sleep", "infinity"]'); // nginx is not started
    const running = new Load(swarm.server());
    const settings = { TAG: 'test-3', API_TOKEN_VERSION: '2', DB_NAME: 'postgres' }; // no tables
    await swarm.deploy(settings);
    for (const tier of ['api', 'web'] as const)
      await expect.poll(() => swarm.updateState(tier), patience).toBe('rollback_completed');
    await expect.poll(() => swarm.running('web'), patience).toEqual(names(swarm.nodes));
    await running.stop();
    expect(running.failures).toEqual([]);
    measured(about(running));
    expect(await images('api')).toEqual(['test-2', 'test-2']);
    expect(await images('web')).toEqual(['test-2', 'test-2', 'test-2']);
  });

  it.runIf(full)('drains a node and takes it back without a failed request', async () => {
    const [manager] = swarm.nodes;
    const setTo = (availability: string, name: string) =>
      manager!.docker('node', 'update', '--availability', availability, name);
    const running = new Load(swarm.server());
    await manager!.docker('service', 'update', '--quiet', '--force', 'taskapp_api');
    const [name = '', another] = await swarm.running('api');
    expect(another).not.toBe(name);
    const drained = nodeOf(name);
    const others = names(without(drained));
    const since = stopwatch();
    await setTo('drain', name);
    await expect.poll(() => drained.docker('ps', '--quiet'), patience).toBe('');
    const emptied = since();
    await expect.poll(() => swarm.running('api'), patience).toEqual(others);
    await setTo('active', name);
    await expect.poll(() => swarm.running('web'), patience).toEqual(names(swarm.nodes));
    await running.stop();
    expect(running.failures).toEqual([]);
    measured(`empty after ${emptied} s; ${about(running)}`);
  });

  it('does not replace the API while the database is down', async () => {
    const [name = ''] = await swarm.running('api');
    const container = await containerOn(nodeOf(name), 'api');
    const status = async () => (await swarm.get('/api/tasks', swarm.server())).status;
    interface Check {
      Start: string;
      ExitCode: number;
    }
    const checksSince = async (time: number) => {
      const format = '{{json .State.Health.Log}}';
      const text = await nodeOf(name).docker('inspect', '--format', format, container);
      const checks = JSON.parse(text) as Check[];
      return checks.filter(({ Start }) => Date.parse(Start) > time).map(({ ExitCode }) => ExitCode);
    };
    await swarm.database.compose('stop', 'db');
    const stoppedAt = Date.now();
    await expect.poll(status, patience).toBe(503);
    await expect.poll(() => checksSince(stoppedAt), patience).not.toEqual([]);
    expect(await checksSince(stoppedAt)).toEqual([0]);
    await swarm.database.compose('up', '-d', '--wait', 'db');
    await expect.poll(status, patience).toBe(200);
  });

  it('goes on without a node, and takes it back', async () => {
    const leader = await leaderOf(swarm.nodes);
    const name = (await swarm.running('api')).find((other) => other !== leader);
    const lost = nodeOf(name ?? '');
    const others = without(lost);
    const running = new Load(swarm.server(others));
    // Uses all three addresses, and a new connection for each request: those to the lost node hang.
    const everywhere = swarm.server();
    const headers = { ...everywhere.headers, Connection: 'close' };
    const unaware = new Load({ ...everywhere, headers });
    const since = stopwatch();
    await lost.powerOff();
    await expect.poll(() => swarm.running('api', others), patience).toEqual(names(others));
    const replaced = since();
    await Promise.all([running.stop(), unaware.stop()]);
    const share = (count: number) => `${((100 * count) / unaware.sent).toFixed(1)} %`;
    const hung = unaware.times.filter((ms) => ms >= 250).length;
    measured(
      `two replicas of the API after ${replaced} s; ${about(running)}; ` +
        `with all three addresses, ${about(unaware)}: ${share(unaware.failures.length)} failed, ` +
        `${share(hung)} took 250 ms or more`,
    );
    await expectAnswers(running);
    await expectAnswers(unaware, / ms: Error: /); // without an answer
    expect(unaware.failures.length).toBeLessThan(unaware.sent / swarm.nodes.length);

    const later = new Load(swarm.server(others));
    await lost.powerOn();
    await expect.poll(() => swarm.running('web', others), patience).toEqual(names(swarm.nodes));
    await later.stop();
    expect(later.failures).toEqual([]);
  });

  it.runIf(full)('elects another leader, and releases without the lost one', async () => {
    const lost = nodeOf((await leaderOf(swarm.nodes)) ?? '');
    const others = without(lost);
    const running = new Load(swarm.server(others));
    const since = stopwatch();
    await lost.powerOff();
    const leader = () => leaderOf(others).catch(() => 'nobody yet');
    await expect.poll(leader, patience).toBeOneOf(names(others));
    const elected = since();
    // An update waits for a lost node that does not yet count as down.
    const down = async () => (await swarm.listed(others)).filter(({ Status }) => Status === 'Down');
    await expect.poll(down, patience).toMatchObject([{ Hostname: lost.name }]);
    const noticed = since();
    await swarm.deploy({ TAG: 'test-1', API_TOKEN_VERSION: '2' }, others);
    await running.stop();
    measured(
      `another leader after ${elected} s, the node counts as down after ${noticed} s, ` +
        `a release after ${since()} s; ${about(running)}`,
    );
    await expectAnswers(running);
  });

  /**
   * Requests on their way to a lost replica may fail, but only with 502, 503, 504 or what is
   * accepted. Every acknowledged write is stored.
   */
  async function expectAnswers(load: Load, accepted = /^$/): Promise<void> {
    const isTrue = (failure: string) => / ms: 50[234] /.test(failure) || accepted.test(failure);
    expect(load.failures.filter((failure) => !isTrue(failure))).toEqual([]);
    const rows = await swarm.database.sql("SELECT title FROM tasks WHERE title LIKE 'load %'");
    const stored = new Set(rows.split('\n'));
    expect(load.acknowledged.filter((title) => !stored.has(title))).toEqual([]);
  }

  async function leaderOf(nodes: Node[]): Promise<string | undefined> {
    const listed = await swarm.listed(nodes);
    return listed.find(({ ManagerStatus }) => ManagerStatus === 'Leader')?.Hostname;
  }
});
