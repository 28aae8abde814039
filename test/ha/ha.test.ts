// A database on three machines loses one of them, or more, under a load of writes.
import {
  cpSync,
  globSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  afterAll,
  afterEach,
  beforeAll,
  describe,
  expect,
  inject,
  it,
  onTestFinished,
} from 'vitest';
import { audit, AuditedLoad, expectNothingLost } from '../faults/audit.ts';
import { full, measured, seconds } from '../faults/figures.ts';
import { copyOfRepository, root } from '../lib/copy.ts';
import { blocks, follow } from '../lib/documents.ts';
import { Script } from '../lib/live.ts';
import type { Production } from '../lib/production.ts';
import { Cluster, networkFault, type Node } from './cluster.ts';

const notRunBecause = inject('notRunBecause') || networkFault();

describe.skipIf(notRunBecause)('a database on three machines', { timeout: 240_000 }, () => {
  let cluster: Cluster;
  let isRuined = false;

  beforeAll(async () => {
    cluster = new Cluster();
    await cluster.up();
  });
  afterEach(async () => {
    if (!isRuined) await cluster.repair();
  }, 180_000);
  afterAll(() => cluster.remove());

  /** The settings of a machine, for commands that somebody types there. */
  const settingsOf = ({ env, files, project }: Node) => ({
    ...env,
    COMPOSE_FILE: files.join(':'),
    COMPOSE_PROJECT_NAME: project,
  });

  async function twoStandbys(): Promise<[Node, Node]> {
    const [first, second] = await cluster.standbys();
    if (!first || !second) throw new Error('there are no two standbys');
    return [first, second];
  }

  const hasWritten = async (load: AuditedLoad, count: number) => {
    const wanted = load.acknowledged + count;
    await expect.poll(() => load.acknowledged, { timeout: 60_000 }).toBeGreaterThan(wanted);
  };

  /** A load that has begun to write. It ends with the test, even a failing one. */
  async function startLoad(app: Production = cluster.app): Promise<AuditedLoad> {
    const load = new AuditedLoad(app);
    onTestFinished(() => load.stop());
    await hasWritten(load, 100);
    return load;
  }

  /** Adds a task, and returns the status of the answer. */
  async function add(title: string): Promise<number> {
    const headers = { 'Content-Type': 'application/json' };
    const body = JSON.stringify({ title });
    return (await cluster.app.https('/api/tasks', { method: 'POST', headers, body })).status;
  }

  /** Ends a load, and returns its figures. */
  async function auditOf(load: AuditedLoad): Promise<string> {
    await load.stop();
    const { counts, slowest, longestPause } = load;
    expect(slowest).toBeLessThan(11_000);
    expect(counts.filter((count) => count.endsWith(' 500'))).toEqual([]);
    const lost = await expectNothingLost(load);
    const times = `${seconds(longestPause)} without writes, slowest answer ${seconds(slowest)}`;
    return `${times}; ${lost} (${counts.join(', ')})`;
  }

  /** Writes before, during and after the fault. `fault` resolves when it has had its effect. */
  async function survives(within: number, fault: (primary: Node) => Promise<unknown>) {
    const load = await startLoad();
    await fault(await cluster.primary());
    await hasWritten(load, 200);
    measured(await auditOf(load));
    expect(load.longestPause).toBeLessThan(within);
  }

  describe('loses no acknowledged write, and takes writes again, when', () => {
    it("the primary's machine is lost", () =>
      survives(35_000, async (primary) => {
        await primary.lose();
        await cluster.primary(primary);
      }));

    it('the operator switches over to another node', () =>
      survives(5_000, async (primary) => {
        await primary.exec('patronictl', 'switchover', '--force');
        await cluster.primary(primary);
      }));

    it.runIf(full)('the postmaster of the primary is killed', () =>
      survives(15_000, async (primary) => {
        await primary.killPostmaster();
        await cluster.primary(primary);
      }),
    );

    it.runIf(full)('Patroni on the primary is frozen, so that two nodes are primary', () =>
      survives(35_000, async (primary) => {
        await primary.freezePatroni();
        const next = await cluster.primary(primary);
        const recovery = 'SELECT pg_is_in_recovery()';
        expect(await primary.sql(recovery)).toBe('f\n');
        expect(await next.sql(recovery)).toBe('f\n');
        // A client that still reaches the former primary gets no answer from it.
        const write = `INSERT INTO tasks (title) VALUES ('on the former primary')`;
        const outcome = primary.sql(write).then(
          () => 'acknowledged',
          () => 'ended',
        );
        expect(await Promise.race([outcome, sleep(5_000, 'waiting')])).toBe('waiting');
      }),
    );

    it.runIf(full)('the machine of a standby is lost', () =>
      survives(15_000, async (primary) => {
        const [standby] = await cluster.standbys();
        await standby?.lose();
        const standbys = () => primary.sql('SELECT count(*) FROM pg_stat_replication');
        await expect.poll(standbys, { timeout: 30_000 }).toBe('1\n');
      }),
    );

    it.runIf(full)('all processes of all three machines are killed, and start again', () =>
      survives(60_000, async () => {
        await Promise.all(cluster.nodes.map((node) => node.kill()));
        await Promise.all(cluster.nodes.map((node) => node.repair()));
      }),
    );

    it.runIf(full)(
      'a lost machine comes back, and its node becomes the primary again',
      async () => {
        const load = await startLoad();
        const lost = await cluster.primary();
        await lost.lose();
        await cluster.primary(lost);
        await hasWritten(load, 200);
        const before = performance.now();
        await cluster.repair();
        const back = performance.now() - before;
        await (
          await cluster.primary()
        ).exec('patronictl', 'switchover', '--force', '--candidate', lost.name);
        await expect.poll(() => lost.isPrimary(), { timeout: 30_000 }).toBe(true);
        await hasWritten(load, 200);
        measured(`a standby again after ${seconds(back)}; ${await auditOf(load)}`);
      },
    );
  });

  it.runIf(full)('takes no write while two of three machines are lost', async () => {
    const load = await startLoad();
    const lost = await cluster.standbys();
    await Promise.all(lost.map((node) => node.lose()));
    const from = performance.now();
    await sleep(30_000); // longer than it takes to fail over
    const to = performance.now();
    await lost[0]?.repair();
    await hasWritten(load, 200);
    measured(await auditOf(load));
    const acknowledged = load.writes.filter(
      ({ outcome, endedAt }) => outcome === 'ok' && endedAt > from + 500 && endedAt < to,
    );
    expect(acknowledged).toEqual([]);
  });

  /** Cuts the primary off from all but one app, which goes on writing. */
  async function cutOff(): Promise<{ outside: AuditedLoad; inside: AuditedLoad }> {
    const app = await cluster.secondApp();
    onTestFinished(() => app.remove());
    const outside = await startLoad();
    const inside = await startLoad(app);
    const primary = await cluster.primary();
    const others = cluster.nodes.filter((node) => node !== primary);
    await app.drop(others.map(({ ip }) => ip));
    await primary.cut([await app.addressOutside()]);
    await cluster.primary(primary);
    await hasWritten(outside, 200);
    await primary.repair();
    await app.dropNothing();
    await hasWritten(inside, 200);
    await Promise.all([outside.stop(), inside.stop()]);
    return { outside, inside };
  }

  describe.runIf(full)(
    'while the primary is cut off, and clients on its side go on writing,',
    () => {
      it('no acknowledged write is lost on either side', async () => {
        const { outside, inside } = await cutOff();
        measured(`its side: ${await auditOf(inside)}. The other: ${await auditOf(outside)}`);
        expect(outside.longestPause).toBeLessThan(35_000);
      });

      it('acknowledged writes are lost if replication is asynchronous, and the audit says so', async () => {
        await cluster.configure({ synchronous_mode: false });
        await cluster.isWhole('replica');
        const { inside } = await cutOff();
        const { missing } = audit(inside.writes, await inside.stored());
        await cluster.configure({ synchronous_mode: 'quorum' });
        measured(
          `${missing.length.toLocaleString('en')} of ${inside.acknowledged.toLocaleString('en')} acknowledged writes lost`,
        );
        expect(missing.length).toBeGreaterThan(0);
      });
    },
  );

  it.runIf(full)('is backed up and restored as on one host, where the primary is', async () => {
    const output = mkdtempSync(join(tmpdir(), 'taskapp-backups-'));
    onTestFinished(() => rmSync(output, { recursive: true }));
    const run = (node: Node, name: string, ...args: string[]) =>
      new Script(root, { ...settingsOf(node), METRICS_DIR: output }, name, ...args).ended;
    const primary = await cluster.primary();
    const [standby] = await twoStandbys();
    const document = readFileSync(join(root, 'docs/high-availability.md'), 'utf8');
    const [, condition = ''] = /^ExecCondition=(.+)$/m.exec(document) ?? [];
    await follow(condition, root, settingsOf(primary));
    await expect(follow(condition, root, settingsOf(standby))).rejects.toThrow('standby');
    expect(await run(primary, 'backup.sh', '--output-dir', output)).toMatchObject({ code: 0 });
    const before = performance.now();
    const [dump = ''] = globSync(`${output}/*.dump`);
    expect(await run(primary, 'restore.sh', dump, '--yes')).toMatchObject({ code: 0 });
    measured(`restored in ${seconds(performance.now() - before)}`);
    expect((await cluster.app.https('/api/tasks?limit=1')).status).toBe(200);

    const refused = { code: 1, output: expect.stringContaining('where the primary is') };
    expect(await run(standby, 'backup.sh', '--output-dir', output)).toMatchObject(refused);
    expect(await run(standby, 'restore.sh', dump, '--yes')).toMatchObject(refused);
    // The drill needs no primary, only a backup.
    expect(await run(standby, 'restore-test.sh', dump)).toMatchObject({ code: 0 });
  });

  it.runIf(full)('has a password changed on one machine after the other', async () => {
    const primary = await cluster.primary();
    const [standby] = await twoStandbys();
    // In this test, the machines share their secrets; the standby gets a copy for the script.
    const { secrets } = cluster.app;
    const copy = mkdtempSync(join(tmpdir(), 'taskapp-secrets-'));
    onTestFinished(() => rmSync(copy, { recursive: true }));
    cpSync(secrets, copy, { recursive: true });
    const read = (directory: string) => readFileSync(join(directory, 'monitor_pass'), 'utf8');
    const rotate = (node: Node, directory: string, password?: string) => {
      const options = password === undefined ? [] : ['--stdin'];
      const env = { ...settingsOf(node), SECRETS_DIR: directory };
      const rotation = new Script(root, env, 'rotate-password.sh', 'monitor', ...options);
      rotation.input(password ?? '');
      return rotation.ended;
    };
    const before = read(copy);
    for (const password of [undefined, 'unlike that of the primary']) {
      const { code, output } = await rotate(standby, copy, password);
      expect(output).toContain('where the primary is');
      expect(code).toBe(1);
      expect(read(copy)).toBe(before);
    }
    expect(await rotate(primary, secrets)).toMatchObject({ code: 0 });
    expect(read(secrets)).not.toBe(before);
    expect(read(copy)).toBe(before);
    expect(await rotate(standby, copy, read(secrets))).toMatchObject({ code: 0 });
    expect(read(copy)).toBe(read(secrets));
  });

  it.runIf(full)('is released on a machine and checked there as on one host', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'taskapp-settings-'));
    const primary = await cluster.primary();
    const [standby] = await twoStandbys();
    onTestFinished(async () => {
      await standby.compose('kill', 'web', 'api', 'haproxy');
      await standby.compose('rm', '--force', 'web', 'api', 'haproxy');
      rmSync(directory, { recursive: true });
    });
    const settings = join(directory, '.env.prod');
    writeFileSync(settings, `TAG=${standby.env.TAG}\n`);
    const own = {
      COMPOSE_ENV_FILES: settings,
      COMPOSE_DISABLE_ENV_FILE: '0',
      BACKUP_DIR: directory, // without a backup
    };
    const run = (node: Node, name: string, ...args: string[]) =>
      new Script(root, { ...settingsOf(node), ...own }, name, ...args).ended;

    const tag = standby.env.TAG ?? '';
    expect(await run(standby, 'deploy.sh', '--force', tag)).toMatchObject({ code: 0 });

    const checksOf = async (node: Node) => {
      const { output } = await run(node, 'check-health.sh', '--json');
      const { checks } = JSON.parse(output) as { checks: Record<string, string>[] };
      return checks.flatMap(({ section, name, status }) =>
        section === 'System' && name !== 'newest backup' ? [] : [`${name}: ${status}`],
      );
    };
    const database = ['schema: OK', 'tasks_id_seq: OK', 'password of the owner: OK'];
    expect(await checksOf(standby)).toEqual([
      ...['api-1', 'api-2', 'db-1', 'etcd-1', 'haproxy-1', 'web-1'].map((name) => `${name}: OK`),
      ...['/nginx-health', '/healthz', '/api/tasks?limit=1'].map((path) => `${path}: OK`),
      'newest backup: SKIP',
      ...database,
      'published passwords: SKIP',
    ]);
    expect((await checksOf(primary)).slice(-5)).toEqual([
      'newest backup: FAIL',
      ...database,
      'published passwords: OK',
    ]);

    const { code, output } = await run(primary, 'upgrade-postgres.sh', '18');
    expect(output).toContain('nothing was changed');
    expect(code).toBe(1);
  });

  it('is migrated and watched through HAProxy', async () => {
    const { app } = cluster;
    expect(await app.compose('run', '--rm', 'migrate')).toContain('all migrations have run');
    expect(await app.compose('run', '--rm', 'migrate', 'status')).toContain('Pending: 0');
    await app.compose('--profile', 'monitoring', 'up', '-d', '--no-deps', 'postgres-exporter');
    const url = `http://${await app.address('postgres-exporter', 'backend')}:9187/metrics`;
    const metrics = () => fetch(url).then((answer) => answer.text());
    await expect.poll(metrics, { timeout: 30_000 }).toMatch(/^pg_up 1$/m);
  });

  describe('without the certificate of the machines, a client', () => {
    const refusal = (question: Promise<{ status: number; text: string }>) =>
      question.then(
        ({ status, text }) => `${status}: ${text}`,
        (error: NodeJS.ErrnoException) => error.code,
      );

    it.each([2379, 2380])('gets nothing from etcd on port %i', async (port) => {
      const [node, peer] = cluster.nodes as [Node, Node];
      // The machines do; on port 2380, the certificate must also be for the address of the client.
      const secrets = '--http1.1 --cert ha_certificate --key ha_key --cacert ha_ca';
      const ask = `cd /run/secrets && curl -fsS ${secrets} https://${node.ip}:${port}/version`;
      expect(await peer.exec('sh', '-c', ask)).toContain('etcdserver');
      // The connection can be closed before the alert is read.
      expect(await refusal(node.ask('/version', { port }))).toMatch(
        /^(?:ERR_SSL_.*_ALERT_CERTIFICATE_REQUIRED|ECONNRESET|EPIPE)$/,
      );
      // One of another authority
      const other = { cert: node.secret('tls.crt'), key: node.secret('tls.key') };
      expect(await refusal(node.ask('/version', { port, ...other }))).toMatch(
        /^(?:ERR_SSL_.*_ALERT_(?:BAD_CERTIFICATE|UNKNOWN_CA)|ECONNRESET|EPIPE)$/,
      );
      await expect(fetch(`http://${node.ip}:${port}/version`)).rejects.toThrow('fetch failed');
    });

    it('can ask Patroni, but change nothing, not even with the password', async () => {
      const [node] = cluster.nodes as [Node];
      const auth = `patroni:${node.secret('patroni_password').toString()}`;
      expect(await node.ask('/patroni')).toMatchObject({ status: 200 });
      await expect(fetch(`http://${node.ip}:8008/patroni`)).rejects.toThrow('fetch failed');
      for (const [method, path] of [
        ['PATCH', '/config'],
        ['POST', '/switchover'],
        ['POST', '/failsafe'],
        ['DELETE', '/switchover'],
      ] as const) {
        const question = { method, auth, body: '{}' };
        expect(await refusal(node.ask(path, question))).toBe('403: client certificate required');
      }
      const noPassword = { method: 'PATCH', body: '{}', isMachine: true };
      expect(await node.ask('/config', noPassword)).toMatchObject({ status: 401 });
    });

    it('can log in to PostgreSQL, but only over TLS', async () => {
      const primary = await cluster.primary();
      const login = (mode: string, user: string) => {
        const to = `host=${primary.ip} dbname=taskdb user=${user} sslmode=${mode}`;
        const password = 'PGPASSWORD="$(cat /run/secrets/db_pass)"';
        return primary.exec('sh', '-c', `${password} psql -Atc 'SELECT 1' '${to}'`);
      };
      expect(await login('require', 'taskapp_api')).toBe('1\n');
      await expect(login('disable', 'taskapp_api')).rejects.toThrow('no encryption');
      // All others are within the machine.
      const encrypted = `SELECT bool_and(ssl), count(*) >= 2 FROM pg_stat_ssl
        JOIN pg_stat_activity USING (pid) WHERE client_addr IS NOT NULL`;
      expect(await primary.sql(encrypted)).toBe('t|t\n');
    });
  });

  describe.runIf(full)('with other certificates,', () => {
    it('takes a new certificate on one machine after the other', async () => {
      const load = await startLoad();
      await cluster.makeCertificates();
      for (const node of [...(await cluster.standbys()), await cluster.primary()]) {
        const former = await node.ask('/patroni');
        if (await node.isPrimary()) await node.exec('patronictl', 'switchover', '--force');
        await node.compose('restart', 'etcd', 'db');
        await cluster.isWhole();
        for (const port of [8008, 2379]) {
          const { certificate } = await node.ask('/metrics', { port, isMachine: true });
          expect(certificate).not.toBe(former.certificate);
        }
      }
      await hasWritten(load, 200);
      measured(await auditOf(load));
      expect(load.longestPause).toBeLessThan(15_000);
    });

    it('takes a new authority on all machines at once, and refuses the old certificate', async () => {
      const [node] = cluster.nodes as [Node];
      const former = { cert: node.secret('ha.crt'), key: node.secret('ha.key') };
      for (const name of ['ha_ca.crt', 'ha_ca.key']) rmSync(join(cluster.app.secrets, name));
      await cluster.makeCertificates();
      const before = performance.now();
      await Promise.all(cluster.nodes.map((stack) => stack.compose('restart')));
      await cluster.isWhole();
      // HAProxy does not trust them yet.
      const metrics = ['curl', '-fsS', 'http://127.0.0.1:8404/metrics'];
      const checks = () => cluster.app.compose('exec', '-T', 'haproxy', ...metrics);
      for (const { name } of cluster.nodes) {
        const failed = `haproxy_server_check_status{proxy="primary",server="${name}",state="L6RSP"} 1`;
        await expect.poll(checks).toContain(failed);
      }
      await cluster.app.compose('restart');
      cluster.app.forgetTarget();
      const status = async () =>
        (await cluster.app.https('/api/tasks?limit=1').catch(() => undefined))?.status;
      await expect.poll(status, { timeout: 60_000 }).toBe(200);
      measured(`back after ${seconds(performance.now() - before)}`);
      await expect(node.ask('/version', { port: 2379, ...former })).rejects.toThrow(
        /alert|ECONNRESET|EPIPE/,
      );
    });
  });

  it('runs in containers as locked down as the others', async () => {
    const [node] = cluster.nodes;
    const containers = [
      await node?.inspect('etcd'),
      await node?.inspect('db'),
      await cluster.app.inspect('haproxy'),
    ];
    const users = containers.map((container) => container?.Config.User);
    expect(users).toEqual(['etcd', 'postgres', 'haproxy']);
    for (const container of containers) {
      expect(container?.HostConfig).toMatchObject({
        ReadonlyRootfs: true,
        CapDrop: ['ALL'],
        SecurityOpt: ['no-new-privileges:true'],
        RestartPolicy: { Name: 'unless-stopped' },
        LogConfig: { Config: { 'max-size': '10m' } },
      });
      expect(container?.HostConfig.Memory).toBeGreaterThan(0);
      expect(container?.HostConfig.PidsLimit).toBeGreaterThan(0);
      expect(container?.Config.Env.join(' ')).not.toMatch(/PASSWORD=/);
    }
  });

  it.runIf(full)('has a lost machine replaced by one with another address', async () => {
    const { app } = cluster;
    const load = await startLoad();
    const primary = await cluster.primary();
    const [lost, standby] = await twoStandbys();
    await lost.lose();
    const members = await primary.compose('exec', 'etcd', 'etcdctl', 'member', 'list');
    const id = new RegExp(`^(\\w+), .*, ${lost.name},`, 'm').exec(members)?.[1] ?? '';
    const node = await cluster.replace(lost);
    const addresses = [primary.ip, standby.ip, '', node.ip];
    const commands = blocks('high-availability.md', 'Replace a machine', 'member add')
      .replaceAll(' ID', ` ${id}`)
      .replaceAll('node3', node.name)
      .replaceAll(/\b10\.0\.0\.(\d)\b/g, (_, n) => addresses[Number(n) - 1] ?? '');
    const directory = copyOfRepository();
    symlinkSync(app.secrets, join(directory, 'secrets'));
    await follow(commands, directory, settingsOf(primary));
    await node.compose('up', '-d', 'etcd', 'db');
    await cluster.isWhole();
    for (const { env } of [app, primary, standby]) env[`HA_${node.name.toUpperCase()}`] = node.ip;
    await app.compose('up', '-d', '--wait', 'haproxy');
    await standby.compose('up', '-d', 'etcd', 'db');
    await cluster.isWhole();
    await primary.exec('patronictl', 'switchover', '--force', '--candidate', node.name);
    await cluster.primary(primary);
    await primary.compose('up', '-d', 'etcd', 'db');
    await cluster.isWhole();
    expect(await node.isPrimary()).toBe(true);
    await hasWritten(load, 200);
    measured(await auditOf(load));
  });

  it.runIf(full)(
    'goes on with the last machine, a former standby, as the document says',
    async () => {
      isRuined = true; // no test comes after this one
      const primary = await cluster.primary();
      const [last, other] = await twoStandbys();
      const titles = () => last.sql('SELECT DISTINCT title FROM tasks');
      expect(await add('before the loss')).toBe(201);
      await expect.poll(titles, { timeout: 30_000 }).toContain('before the loss');
      // It is so far behind that it does not become the primary by itself.
      await last.cutReplication();
      await primary.sql(
        `INSERT INTO tasks (title) SELECT 'only on the others' FROM generate_series(1, 20000)`,
      );
      const lag = async () => {
        const found = (await cluster.members()).find(({ name }) => name === last.name);
        return (found as { lag?: number } | undefined)?.lag;
      };
      await expect.poll(lag, { timeout: 15_000 }).toBeGreaterThan(1024 * 1024);
      await Promise.all([primary.lose(), other.lose()]);
      await last.uncut();

      const directory = copyOfRepository();
      const step = (...words: string[]) => {
        const commands = blocks('high-availability.md', 'Only one machine is left', ...words);
        return follow(commands.replaceAll('node2', last.name), directory, settingsOf(last));
      };
      await step('.tar', '--force-new-cluster', 'synchronous_mode');
      const log = async () => Object.values(await last.logStreams('db')).join('');
      await expect.poll(log, { timeout: 60_000 }).toContain('exceeds maximum replication lag');
      await step('failover');
      await expect.poll(() => add('after the loss'), { timeout: 60_000 }).toBe(201);
      await step('backup.sh');
      expect(await titles()).toContain('before the loss');
      expect(await titles()).not.toContain('only on the others');
    },
  );
});
