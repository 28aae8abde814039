// The overlay `lab` on a real cluster, which KUBERNETES_TEST_CONTEXT names. The workflow in .github
// runs it on kind, after the steps of docs/kubernetes.md.
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { freePort } from '../../local/embedded.ts';
import { Project } from '../../tools/verify/project.ts';
import { verify } from '../../tools/verify/run.ts';
import { differences } from '../../tools/verify/test/expected.ts';
import { root } from '../lib/copy.ts';

const context = process.env.KUBERNETES_TEST_CONTEXT;
const inNamespace = ['--context', context ?? '', '--namespace', 'taskapp'];

async function kubectl(...args: string[]): Promise<string> {
  const { stdout } = await promisify(execFile)('kubectl', [...inNamespace, ...args]);
  return stdout.trim();
}

const connects = (from: string, ...command: string[]) =>
  kubectl('exec', `deployment/${from}`, '--', ...command).then(
    () => true,
    () => false,
  );

let forward: ChildProcess;
let url: string;
const statusOf = (path: string) =>
  fetch(url + path, { signal: AbortSignal.timeout(15_000) }).then(
    ({ status }) => status,
    (error: unknown) => String(error),
  );

beforeAll(async () => {
  if (context === undefined) return;
  const port = String(await freePort());
  url = `http://127.0.0.1:${port}`;
  forward = spawn('kubectl', [...inNamespace, 'port-forward', 'service/web', `${port}:80`]);
  await vi.waitUntil(async () => (await statusOf('/healthz')) === 200, 60_000);
}, 90_000);

afterAll(() => forward?.kill());

describe.skipIf(context === undefined)('the lab on a cluster', () => {
  it('passes the API checks of verify', async () => {
    const login = ['psql', '-U', 'taskapp', '-d', 'taskdb'];
    const psql = ['kubectl', ...inNamespace, 'exec', '-i', 'db-0', '--', ...login];
    const report = await verify(new Project({ directory: root, url, psql }), { only: ['api'] });
    expect(report.results.length).toBeGreaterThan(10);
    expect(differences(report, [])).toEqual([]);
    expect(report.results.filter(({ outcome }) => outcome !== 'passed')).toEqual([]);
  });

  it('lets the API, but not web, reach the database', async () => {
    const connect = `
      const socket = require('node:net').connect(5432, 'db');
      socket.on('connect', () => process.exit(0)).on('error', () => process.exit(1));`;
    expect(await connects('api', 'node', '-e', connect)).toBe(true);
    expect(await connects('web', 'nc', '-z', '-w', '3', 'api', '8080')).toBe(true);
    expect(await connects('web', 'nc', '-z', '-w', '3', 'db', '5432')).toBe(false);
  });

  it('brings an older database to the schema of this version', async () => {
    const sql = (text: string) =>
      kubectl('exec', 'db-0', '--', 'psql', '-U', 'taskapp', '-d', 'taskdb', '-qAtc', text);
    await sql(`
      DROP INDEX tasks_newest_first;
      DELETE FROM dbmate.schema_migrations WHERE version = '20261127080200'`);
    const directory = join(root, 'deploy/kubernetes/migrate');
    await kubectl('apply', '-k', directory);
    await kubectl('wait', '--for=condition=Complete', '--timeout=5m', 'job/migrate');
    expect(await sql(`SELECT 'tasks_newest_first'::regclass`)).toBe('tasks_newest_first');
    await kubectl('delete', '-k', directory);
  }, 400_000);

  const statusesDuring = async (change: () => Promise<unknown>) => {
    await kubectl('wait', '--for=condition=Available', '--timeout=2m', 'deployment/api');
    const statuses: (number | string)[] = [];
    let isOver = false;
    const reader = async () => {
      while (!isOver) statuses.push(await statusOf('/api/tasks'));
    };
    const readers = Promise.all([reader(), reader(), reader()]);
    try {
      await change();
      await kubectl('rollout', 'status', '--timeout=5m', 'deployment/api');
    } finally {
      isOver = true;
      await readers;
    }
    return statuses;
  };
  const podsOfApi = async () =>
    (await kubectl('get', 'pods', '-l', 'tier=api', '-o', 'name')).split('\n');

  it.each([
    ['is deleted', []],
    ['is killed', ['--grace-period=0', '--force']],
  ])(
    'answers every read while a replica of the API %s',
    async (_, how) => {
      const [pod = ''] = await podsOfApi();
      const statuses = await statusesDuring(() => kubectl('delete', pod, '--wait', ...how));
      expect(statuses.length).toBeGreaterThan(0);
      expect(statuses.filter((status) => status !== 200)).toEqual([]);
      expect(await podsOfApi()).not.toContain(pod);
    },
    600_000,
  );

  it('answers every read while all replicas of the API are replaced', async () => {
    const before = await podsOfApi();
    const statuses = await statusesDuring(() => kubectl('rollout', 'restart', 'deployment/api'));
    expect(statuses.length).toBeGreaterThan(0);
    expect(statuses.filter((status) => status !== 200)).toEqual([]);
    const areGone = async () => !(await podsOfApi()).some((pod) => before.includes(pod));
    await vi.waitUntil(areGone, { timeout: 120_000, interval: 1000 });
  }, 600_000);
});
