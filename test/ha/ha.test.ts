// A database on three machines loses one of them, and more, under a load of writes.
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
import { AuditedLoad } from '../faults/audit.ts';
import { full, measured, seconds } from '../faults/figures.ts';
import type { Production } from '../lib/production.ts';
import { Cluster, networkFault, type Node } from './cluster.ts';

const notRunBecause = inject('notRunBecause') || networkFault();

describe.skipIf(notRunBecause)('a database on three machines', { timeout: 240_000 }, () => {
  let cluster: Cluster;

  beforeAll(async () => {
    cluster = new Cluster();
    await cluster.up();
  });
  afterEach(() => cluster.repair(), 180_000);
  afterAll(() => cluster.remove());

  /** A load that has begun to write. It ends with the test, even a failing one. */
  async function startLoad(app: Production): Promise<AuditedLoad> {
    const load = new AuditedLoad(app);
    onTestFinished(() => load.stop());
    await hasWritten(load, 100);
    return load;
  }

  const hasWritten = async (load: AuditedLoad, count: number) => {
    const wanted = load.acknowledged + count;
    await expect.poll(() => load.acknowledged, { timeout: 60_000 }).toBeGreaterThan(wanted);
  };

  /** Writes before the fault, during it and after it. `fault` resolves when it has had its effect. */
  async function survives(within: number, fault: (primary: Node) => Promise<unknown>) {
    const load = await startLoad(cluster.app);
    await fault(await cluster.primary());
    await hasWritten(load, 200);
    await load.stop();
    await expectNothingLost(load, `${seconds(load.longestPause)} without writes`);
    expect(load.longestPause).toBeLessThan(within);
  }

  async function expectNothingLost(load: AuditedLoad, figure: string): Promise<void> {
    const { counts, slowest } = load;
    const lost = await load.losesNothing();
    measured(`${figure}; ${lost}; slowest answer ${seconds(slowest)} (${counts.join(', ')})`);
    expect(slowest).toBeLessThan(11_000);
    expect(counts.filter((count) => count.endsWith(' 500'))).toEqual([]);
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
        const [pid] = ['$(head -n 1 /var/lib/postgresql/data/postmaster.pid)'];
        await primary.exec('sh', '-c', `kill -9 ${pid}`);
        await cluster.primary(primary);
      }),
    );
  });
});
