// Faults of every tier under a load of writes, and what the table says afterwards.
import { kill } from 'node:process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, inject, it, onTestFinished } from 'vitest';
import { freePort } from '../../local/embedded.ts';
import { Production } from '../lib/production.ts';
import { docker, type Inspection, processes } from '../lib/stack.ts';
import { TcpProxy } from '../lib/tcp-proxy.ts';
import { audit, AuditedLoad, type Attempt, expectNothingLost, nothing } from './audit.ts';
import { Disk, diskFault } from './disk.ts';
import { full, measured, seconds } from './figures.ts';

const notRunBecause = inject('notRunBecause') || diskFault();
const wanted = full ? 2_000 : 200; // acknowledged writes for each fault

/** The longest time from the end of a fault to the last request that was not served. */
const backWithin = { web: 5_000, api: 5_000, db: 15_000 }; // milliseconds

/** A program that takes all the memory it can get. */
const hog = `
  const all = [];
  setInterval(() => all.push(Buffer.alloc(8e6, 1)), 5);
  setTimeout(() => process.exit(), 20_000);`;

describe.skipIf(notRunBecause)('the production stack', { timeout: 240_000 }, () => {
  let disk: Disk;
  let stack: Production;

  beforeAll(async () => {
    disk = new Disk(400);
    // A port of its own, because a random one changes when a container starts again.
    const env = {
      FAULTS_DISK: disk.device,
      HTTPS_PORT: String(await freePort()),
      HTTP_PORT: String(await freePort()),
    };
    stack = new Production({ files: ['test/faults/compose.yml'], env });
    await stack.up();
  });
  afterAll(async () => {
    await stack.remove();
    disk.remove();
  });

  const killOne = async (service: string, pattern: RegExp) => {
    const [pid = 0] = await processes(await stack.inspect(service), pattern);
    kill(pid, 'SIGKILL'); // `docker kill` would switch the restart policy off
  };

  /** A load that ends with the test, even a failing one. */
  function startLoad(): AuditedLoad {
    const load = new AuditedLoad(stack);
    onTestFinished(() => load.stop());
    return load;
  }

  /** Runs a load before the fault, during it, and after it until everything is served again. */
  async function survives(
    tier: keyof typeof backWithin,
    fault: () => Promise<unknown>,
  ): Promise<AuditedLoad> {
    const before = await stack.inspectAll('api');
    const load = startLoad();
    const probes = probe(
      before.map(
        ({ NetworkSettings }) =>
          NetworkSettings.Networks[`${stack.project}_frontend`]?.IPAddress ?? '',
      ),
    );
    await sleep(1_000);
    expect(load.writes.filter(({ outcome }) => outcome === 'unknown' || outcome === 'no')).toEqual(
      [],
    );

    await fault();
    const over = performance.now();
    const failedLate = () =>
      load.attempts.filter(
        ({ outcome, startedAt }) => outcome !== 'ok' && outcome !== undefined && startedAt > over,
      );
    const lastFailure = () => Math.max(over, ...failedLate().map(({ startedAt }) => startedAt));
    const isServed = () =>
      performance.now() - lastFailure() > (full ? 3_000 : 1_500) && load.acknowledged >= wanted;
    while (!isServed() && performance.now() - over < 60_000) await sleep(100);
    await load.stop();
    const livez = await probes.stop();

    const { counts, slowest } = load;
    const back = lastFailure() - over;
    const times = `slowest answer ${seconds(slowest)}, back after ${seconds(back)}`;
    measured(`${await expectNothingLost(load)}; ${times} (${counts.join(', ')})`);
    expect(load.acknowledged).toBeGreaterThanOrEqual(wanted);
    expect(counts.length > 2 || slowest > 1_000).toBe(true); // clients noticed the fault
    expect(slowest).toBeLessThan(11_000);
    expect(counts.filter((count) => count.endsWith(' 500'))).toEqual([]);
    expect(back).toBeLessThan(backWithin[tier]);
    // Only a faulty replica may be silent, and only its own fault may restart an API process.
    const alive = livez.every((round) =>
      tier === 'api' ? round.some(Boolean) : round.every(Boolean),
    );
    expect(alive).toBe(true);
    const runs = (containers: Inspection[]) =>
      containers.map(({ Id, State }) => [Id, tier === 'api' || State.StartedAt]);
    expect(runs(await stack.inspectAll('api'))).toEqual(runs(before));
    expect(livez.length).toBeGreaterThan(5);
    return load;
  }

  describe('loses no acknowledged write, and serves again by itself, when', () => {
    it('a process of the API is killed', () => survives('api', () => killOne('api', /^node /)));

    it.runIf(full)('a worker of nginx is killed', () =>
      survives('web', () => killOne('web', /^nginx: worker/)),
    );

    it('the master of nginx is killed', () =>
      survives('web', () => killOne('web', /^nginx: master/)));

    it('the postmaster is killed', () =>
      survives('db', () => killOne('db', /^(\S*\/)?postgres\b(?!:)/)));

    it.runIf(full)('one backend of PostgreSQL is killed', () =>
      survives('db', () => killOne('db', /^postgres: taskapp_api /)),
    );

    it.runIf(full)('all sessions of the API are terminated, again and again', () =>
      survives('db', async () => {
        for (const end = Date.now() + 10_000; Date.now() < end; await sleep(500)) {
          await stack.sql(`
            SELECT pg_terminate_backend(pid)
            FROM pg_stat_activity WHERE usename = 'taskapp_api'`);
        }
      }),
    );

    it.runIf(full)('the database is restarted', () =>
      survives('db', () => stack.compose('restart', 'db')),
    );

    it.runIf(full)('the database is recreated with a new address', () =>
      survives('db', async () => {
        const before = await stack.inspect('db');
        const address = await stack.address('db', 'backend');
        await stack.compose('rm', '--stop', '--force', 'db');
        const network = `${stack.project}_backend`;
        const args = [
          '--network',
          network,
          '--ip',
          address,
          '--entrypoint',
          'sleep',
          before.Image,
          '120',
        ];
        const squatter = (
          await docker('run', '-d', '--rm', ...args).catch(() =>
            docker('run', '-d', '--rm', ...args.toSpliced(2, 2)),
          )
        ).trim();
        onTestFinished(() => docker('rm', '--force', squatter).then(() => undefined));
        await stack.compose('up', '-d', '--no-deps', 'db');
        expect(await stack.address('db', 'backend')).not.toBe(address);
      }),
    );

    it('the database is paused', () => survives('db', () => paused('db', full ? 15_000 : 3_000)));

    it.runIf(full)('one replica of the API is paused', () =>
      survives('api', () => paused('api', 20_000)),
    );

    it.runIf(full)('the database is cut off from its network', () =>
      survives('db', async () => {
        const [network, { Id }] = [`${stack.project}_backend`, await stack.inspect('db')];
        await docker('network', 'disconnect', network, Id);
        await sleep(20_000);
        await docker('network', 'connect', '--alias', 'db', network, Id);
      }),
    );

    it.runIf(full)('somebody locks the table', async () => {
      const load = await survives('db', () =>
        stack.sql('BEGIN; LOCK TABLE tasks; SELECT pg_sleep(30); COMMIT'),
      );
      expect(load.writes.filter(({ answer }) => answer === 503).length).toBeGreaterThan(0);
      expect(load.writes.filter(({ answer }) => answer === 409)).toEqual([]); // no key is in use
    });

    it.runIf(full)('the connections of the database are exhausted', () =>
      survives('db', async () => {
        const password = readFileSync(join(stack.secrets, 'db_pass'), 'utf8');
        const login = {
          connectionTimeoutMillis: 10_000,
          host: await stack.address('db', 'backend'),
          user: 'taskapp_api',
          password,
          database: 'taskdb',
        };
        const clients: pg.Client[] = [];
        const leave = () => Promise.all(clients.splice(0).map((client) => client.end()));
        onTestFinished(() => leave().then(() => undefined));
        const connect = async () => {
          const client = new pg.Client(login);
          client.on('error', () => {});
          await client.connect();
          clients.push(client);
        };
        const take = async () => {
          for (;;) await connect();
        };
        await expect(take()).rejects.toThrow(/too many|remaining connection slots/);
        const ours = `application_name = 'taskapp-api'`;
        await stack.sql(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE ${ours}`);
        // Now those that the API had.
        await expect(take()).rejects.toThrow(/too many|remaining connection slots/);
        await sleep(10_000);
        await leave();
      }),
    );

    it.runIf(full)('a process takes all the memory of an API container', () =>
      survives('api', async () => {
        const before = await stack.inspect('api');
        const [pid] = await processes(before, /^node /);
        // When memory runs out, the kernel kills the process with the highest score.
        writeFileSync(`/proc/${pid}/oom_score_adj`, '1000');
        // This command ends with the container.
        void docker('exec', before.Id, 'node', '-e', hog).catch(() => undefined);
        await expect
          .poll(async () => (await stack.inspect('api')).RestartCount, { timeout: 20_000 })
          .toBeGreaterThan(before.RestartCount);
      }),
    );

    it.runIf(full)('the disk of the database is full', () =>
      survives('db', async () => {
        disk.fill();
        await sleep(10_000);
        disk.free();
      }),
    );
    // The server ends when its transaction log cannot grow, and cannot start until there is room.
    it.runIf(full)('the disk of the database is full, and the WAL cannot grow', () =>
      survives('db', async () => {
        disk.fill();
        for (let n = 0; n < 10; n++)
          await stack.sql('SELECT pg_switch_wal()').catch(() => undefined);
        await sleep(5_000);
        disk.free();
      }),
    );

    it('the database loses power', async () => {
      disk.sync();
      const load = startLoad();
      await sleep(full ? 5_000 : 1_500);
      const { titles, writes } = await failPower(load);
      await expect
        .poll(async () => (await stack.https('/healthz')).status, { timeout: 15_000 })
        .toBe(200);
      await load.stop();
      expect(audit(writes, titles)).toEqual(nothing);
      expect(writes.length).toBeGreaterThan(wanted / 2);
      expect(audit(load.writes, await load.stored())).toEqual(nothing);
      measured(`${writes.length.toLocaleString('en')} acknowledged until then, 0 lost`);
    });
  });

  /** `docker pause`; a process that waits for its disk cannot be frozen at once. */
  async function pause(id: string): Promise<void> {
    for (let left = 20; ; left--) {
      try {
        await docker('pause', id);
        return;
      } catch (error) {
        if (left === 0 || !String(error).includes('unable to freeze')) throw error;
      }
    }
  }

  async function paused(service: string, ms: number): Promise<void> {
    const { Id } = await stack.inspect(service);
    await pause(Id);
    await sleep(ms);
    await docker('unpause', Id);
  }

  /** Kills the server. Returns the acknowledged writes, and what a disk without power kept. */
  async function failPower(load: AuditedLoad): Promise<{ titles: string[]; writes: Attempt[] }> {
    const container = await stack.inspect('db');
    await pause(container.Id); // so that the file does not change
    await sleep(300);
    const writes = load.writes
      .filter(({ outcome }) => outcome === 'ok')
      .map((attempt) => ({ ...attempt }));
    const image = await disk.crashImage();
    const [postmaster = 0] = await processes(container, /^(\S*\/)?postgres\b(?!:)/);
    kill(postmaster, 'SIGKILL');
    await docker('unpause', container.Id);
    return { titles: await image.titles(container.Image), writes };
  }

  describe.runIf(full)(
    'with a proxy before the database, loses no acknowledged write, and serves again, when',
    () => {
      let proxy: TcpProxy;

      beforeAll(async () => {
        const [network] = JSON.parse(
          await docker('network', 'inspect', `${stack.project}_backend`),
        ) as { IPAM: { Config: { Gateway: string }[] } }[];
        const gateway = network?.IPAM.Config[0]?.Gateway ?? '';
        proxy = await TcpProxy.listen(
          { host: await stack.address('db', 'backend'), port: 5432 },
          gateway,
        );
        Object.assign(stack.env, {
          FAULTS_DB_HOST: gateway,
          FAULTS_DB_PORT: String(proxy.address.port),
        });
        await stack.compose('up', '-d', '--wait', '--no-deps', 'api');
      });
      afterAll(async () => {
        proxy.close();
        Object.assign(stack.env, { FAULTS_DB_HOST: 'db', FAULTS_DB_PORT: '5432' });
        await stack.compose('up', '-d', '--wait', '--no-deps', 'api');
      });

      it('the network to the database is slow', () =>
        survives('db', async () => {
          proxy.delayMs = 300;
          await sleep(10_000);
          proxy.delayMs = 0;
        }));

      it('the network to the database has little bandwidth', () =>
        survives('db', async () => {
          proxy.bytesPerSecond = 1_000;
          await sleep(10_000);
          proxy.bytesPerSecond = Infinity;
        }));

      it('the network resets the connections to the database, again and again', () =>
        survives('db', async () => {
          for (const end = Date.now() + 10_000; Date.now() < end; await sleep(500)) proxy.reset();
        }));

      it('the network leaves the connections to the database half open', () =>
        survives('db', async () => proxy.halfOpen()));
    },
  );

  describe('50 concurrent requests with one Idempotency-Key', () => {
    it('make one task, and all of them get its id', async () => {
      const title = `one of fifty ${crypto.randomUUID()}`;
      const headers = {
        'Content-Type': 'application/json',
        'Idempotency-Key': crypto.randomUUID(),
      };
      const answers = await Promise.all(
        Array.from({ length: 50 }, () =>
          stack.https('/api/tasks', { headers, body: JSON.stringify({ title }) }),
        ),
      );
      const ids = (await stack.sql(`SELECT id FROM tasks WHERE title = '${title}'`)).trim();
      expect(ids).toMatch(/^\d+$/);
      const seen = answers.map(
        ({ status, text }) => `${status} ${(JSON.parse(text) as { task: { id: number } }).task.id}`,
      );
      expect(seen).toEqual(Array(50).fill(`201 ${ids}`));
      const made = answers.filter((answer) => answer.headers['idempotency-replayed'] === undefined);
      expect(made).toHaveLength(1); // the others say that they were sent again
    });
  });

  describe('the audit fails when', () => {
    async function loaded(): Promise<AuditedLoad> {
      const load = startLoad();
      await sleep(1_000);
      await load.stop();
      expect(audit(load.writes, await load.stored())).toEqual(nothing);
      return load;
    }
    const middle = ({ writes }: AuditedLoad) => writes[Math.floor(writes.length / 2)]?.title ?? '';

    it('a row is deleted', async () => {
      const load = await loaded();
      await stack.sql(`DELETE FROM tasks WHERE title = '${middle(load)}'`);
      expect(audit(load.writes, await load.stored())).toEqual({
        ...nothing,
        missing: [middle(load)],
      });
    });

    it('a row is there twice', async () => {
      const load = await loaded();
      await stack.sql(`INSERT INTO tasks (title) VALUES ('${middle(load)}')`);
      expect(audit(load.writes, await load.stored())).toEqual({
        ...nothing,
        duplicated: [middle(load)],
      });
    });

    it('a refused row is there', async () => {
      const load = await loaded();
      const refused: Attempt = {
        title: `${middle(load)} refused`,
        outcome: 'no',
        startedAt: 0,
        endedAt: 0,
      };
      await stack.sql(`INSERT INTO tasks (title) VALUES ('${refused.title}')`);
      expect(audit([...load.writes, refused], await load.stored())).toEqual({
        ...nothing,
        refused: [refused.title],
      });
    });

    it('the power fails while fsync is off', async () => {
      await stack.sql('ALTER SYSTEM SET fsync = off');
      await stack.sql('SELECT pg_reload_conf()');
      disk.sync();
      const load = startLoad();
      await sleep(1_500);
      const crash = failPower(load);
      // Either the server does not start on what is left, or rows are missing.
      const missing = await crash.then(
        ({ titles, writes }) => audit(writes, titles).missing.length,
        (error: Error) => {
          if (!error.message.startsWith('PostgreSQL does not start on the crash image'))
            throw error;
          return Infinity;
        },
      );
      await expect
        .poll(async () => (await stack.https('/healthz')).status, { timeout: 15_000 })
        .toBe(200);
      await load.stop();
      await stack.sql('ALTER SYSTEM RESET fsync');
      await stack.sql('SELECT pg_reload_conf()');
      expect(missing).toBeGreaterThan(0);
    });
  });
});

/** Asks each address for /livez, four times a second; each round says which have answered. */
function probe(addresses: string[]): { stop: () => Promise<boolean[][]> } {
  const rounds: boolean[][] = [];
  let running = true;
  const answers = async (address: string) => {
    try {
      return (await fetch(`http://${address}:8080/livez`, { signal: AbortSignal.timeout(2_000) }))
        .ok;
    } catch {
      return false;
    }
  };
  const loop = (async () => {
    while (running) {
      rounds.push(await Promise.all(addresses.map(answers)));
      await sleep(250);
    }
  })();
  return {
    stop: async () => {
      running = false;
      await loop;
      return rounds;
    },
  };
}
