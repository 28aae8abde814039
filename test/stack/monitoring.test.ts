// The profile monitoring on the production stack: what Prometheus scrapes, and what the dashboard
// and the alerts make of it. Only Grafana's files are checked: without a registry it has no image.
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { copyForAll, root } from '../lib/copy.ts';
import { Script } from '../lib/live.ts';
import { Production } from '../lib/production.ts';
import { docker, Stack } from '../lib/stack.ts';

interface Panel {
  id: number;
  type: string;
  title: string;
  gridPos: { x: number; y: number; w: number; h: number };
  targets?: { expr: string; datasource: { uid: string } }[];
}
const dashboard = JSON.parse(
  readFileSync(join(root, 'monitoring/grafana/dashboards/taskapp.json'), 'utf8'),
) as { uid: string; panels: Panel[] };
const targets = dashboard.panels.flatMap((panel) =>
  (panel.targets ?? []).map((target) => ({ ...target, title: panel.title })),
);

describe('the dashboard', () => {
  it('has panels that do not overlap, each with queries to the provisioned data source', () => {
    const { panels } = dashboard;
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
    const taken = new Map<string, string>();
    for (const { title, gridPos } of panels) {
      expect(gridPos.x + gridPos.w).toBeLessThanOrEqual(24);
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++) {
        for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
          expect([title, taken.get(`${x},${y}`)]).toEqual([title, undefined]);
          taken.set(`${x},${y}`, title);
        }
      }
    }
    const uid = /^ {4}uid: (\w+)/m.exec(
      readFileSync(join(root, 'monitoring/grafana/datasource.yml'), 'utf8'),
    )?.[1];
    expect(new Set(targets.map(({ datasource }) => datasource.uid))).toEqual(new Set([uid]));
    expect(
      panels.filter(({ type, targets: list = [] }) => (type === 'row') !== (list.length === 0)),
    ).toEqual([]);
  });

  it('shows the four golden signals of each tier, and the database', () => {
    const rows = dashboard.panels.filter(({ type }) => type === 'row').map(({ title }) => title);
    expect(rows).toEqual([
      'Now',
      'Traffic, by tier',
      'Errors, by tier',
      'Latency, by tier',
      'Saturation, by tier',
      'Database',
    ]);
  });
});

describe.skipIf(inject('notRunBecause'))('the profile monitoring', () => {
  interface Model {
    services: Record<
      string,
      { image: string; ports?: { host_ip?: string }[]; environment?: Record<string, string> }
    >;
  }
  const model = async (stack: Stack) =>
    JSON.parse(
      await stack.compose('--profile', 'monitoring', 'config', '--format', 'json'),
    ) as Model;
  const added = ['grafana', 'nginx-exporter', 'node-exporter', 'postgres-exporter', 'prometheus'];

  it.each([[[]], [['compose.yml']], [['compose.yml', 'compose.prod.yml']]])(
    'adds its services to the files %j, of exact versions and on 127.0.0.1 only',
    async (files) => {
      const stack = new Stack({ files });
      expect((await stack.compose('config', '--services')).trim().split('\n').toSorted()).toEqual([
        'api',
        'db',
        'web',
      ]);
      const { services } = await model(stack);
      expect(Object.keys(services).toSorted()).toEqual([...added, 'api', 'db', 'web'].toSorted());
      for (const name of added) {
        expect(services[name]?.image).toMatch(/:v?\d+\.\d+\.\d+$/);
        for (const { host_ip } of services[name]?.ports ?? [])
          expect([name, host_ip]).toEqual([name, '127.0.0.1']);
      }
    },
  );

  it('takes its passwords from files in production', async () => {
    const { services } = await model(new Stack({ files: ['compose.yml', 'compose.prod.yml'] }));
    const environment = (name: string) =>
      Object.keys(services[name]?.environment ?? {}).filter((key) => key.includes('PASS'));
    expect(environment('postgres-exporter')).toEqual(['DATA_SOURCE_PASS_FILE']);
    expect(environment('grafana')).toEqual(['GF_SECURITY_ADMIN_PASSWORD__FILE']);
    expect(environment('db').toSorted()).toEqual([
      'DB_PASS_FILE',
      'MONITOR_PASS_FILE',
      'POSTGRES_PASSWORD_FILE',
    ]);
  });

  it.each([
    ['check', 'config', '/monitoring/prometheus.yml'],
    ['test', 'rules', '/monitoring/alerts.test.yml'],
  ])('promtool %s %s finds no fault', async (...args) => {
    const { services } = await model(new Stack());
    const mount = `${root}/monitoring:/monitoring:ro`;
    const output = await docker(
      'run',
      '--rm',
      '--entrypoint',
      'promtool',
      '-v',
      mount,
      `${services.prometheus?.image}`,
      ...args,
    );
    expect(output).toContain('SUCCESS');
  });

  it('has a test that fires each alert', () => {
    const alerts = [
      ...readFileSync(join(root, 'monitoring/alerts.yml'), 'utf8').matchAll(/- alert: (\w+)/g),
    ].map(([, name]) => name);
    expect(alerts.length).toBeGreaterThan(6);
    const fired = readFileSync(join(root, 'monitoring/alerts.test.yml'), 'utf8').matchAll(
      /alertname: (\w+)\n\s+exp_alerts:\n/g,
    );
    expect(new Set([...fired].map(([, name]) => name))).toEqual(new Set(alerts));
  });
});

describe.skipIf(inject('notRunBecause'))('Prometheus', () => {
  let directory: string;
  let stack: Production;
  let prometheus: string;
  let traffic: Promise<void>;
  let isOver = false;

  interface Sample {
    metric: Record<string, string>;
    value: [number, string];
  }
  async function ask<Data>(path: string, parameters: Record<string, string> = {}): Promise<Data> {
    const response = await fetch(
      `${prometheus}/api/v1/${path}?${new URLSearchParams(parameters).toString()}`,
    );
    const { status, data, error } = (await response.json()) as {
      status: string;
      data: Data;
      error?: string;
    };
    if (status !== 'success') throw new Error(`${path} ${JSON.stringify(parameters)}: ${error}`);
    return data;
  }
  const query = async (text: string) =>
    (await ask<{ result: Sample[] }>('query', { query: text })).result;
  const script = (name: string, ...args: string[]) =>
    new Script(
      directory,
      { ...stack.env, COMPOSE_PROJECT_NAME: stack.project, COMPOSE_FILE: stack.files.join(':') },
      name,
      ...args,
    );

  async function sendSome(): Promise<void> {
    for (let n = 0; !isOver; n++) {
      const headers = { 'Content-Type': 'application/json' };
      await stack
        .https('/api/tasks', { headers, body: JSON.stringify(n % 3 ? { title: `task ${n}` } : {}) })
        .catch(() => undefined);
      for (const path of ['/api/tasks', '/api/tasks/1', `/nope-${n}`])
        await stack.https(path).catch(() => undefined);
      await sleep(300);
    }
  }

  beforeAll(async () => {
    directory = copyForAll();
    stack = new Production({ directory });
    await stack.up();
    await stack.compose(
      '--profile',
      'monitoring',
      'up',
      '-d',
      '--wait',
      'prometheus',
      'postgres-exporter',
      'nginx-exporter',
      'node-exporter',
    );
    const port = ['--profile', 'monitoring', 'port', 'prometheus', '9090'];
    prometheus = `http://${(await stack.compose(...port)).trim()}`;
    traffic = sendSome();
    const { code, output } = await script('backup.sh').ended;
    if (code !== 0) throw new Error(output);
  });
  afterAll(async () => {
    isOver = true;
    await traffic;
    await stack.remove();
    rmSync(directory, { recursive: true, force: true });
  });

  it('reaches every tier, each replica of the API, and the host', async () => {
    const up = async () => (await query('up == 1')).map(({ metric }) => `${metric.job}`).toSorted();
    await expect
      .poll(up, { timeout: 60_000, interval: 1_000 })
      .toEqual(['api', 'api', 'nginx', 'node', 'postgres', 'prometheus']);
    for (const metric of ['nginx_up', 'pg_up'])
      expect((await query(metric)).map(({ value }) => value[1])).toEqual(['1']);
  });

  it('has a value for every query of the dashboard', async () => {
    const empty = async () => {
      const results = await Promise.all(
        targets.map(async ({ title, expr }) => [title, expr, (await query(expr)).length] as const),
      );
      return results.filter(([, , length]) => length === 0);
    };
    expect(targets.length).toBeGreaterThan(20);
    await expect.poll(empty, { timeout: 110_000, interval: 3_000 }).toEqual([]);
  });

  it('knows every metric that an alert watches', async () => {
    const known = new Set(await ask<string[]>('label/__name__/values'));
    const { groups } = await ask<{
      groups: { rules: { name: string; query: string; lastError?: string }[] }[];
    }>('rules');
    const rules = groups.flatMap((group) => group.rules);
    expect(rules.map(({ name }) => name)).toContain('BackupTooOld');
    for (const { name, query: text, lastError } of rules) {
      expect([name, lastError]).toEqual([name, undefined]);
      // The metrics are what is left without labels, ranges, grouping and functions.
      const names =
        text
          .replaceAll(/\{[^}]*\}|\[[^\]]*\]|\b(by|without) ?\([^)]*\)/g, ' ')
          .match(/\b[a-z]\w+\b(?! *\()/g) ?? [];
      const metrics = names.filter((word) => !['and', 'or', 'unless', 'by'].includes(word));
      expect([name, metrics.length > 0, metrics.filter((metric) => !known.has(metric))]).toEqual([
        name,
        true,
        [],
      ]);
    }
  });

  it('has one series for all unknown paths', async () => {
    const series = await query(
      'count by (route) (http_request_duration_seconds_count{status="404"})',
    );
    expect(series.map(({ metric }) => metric.route)).toEqual(['none']);
  });

  it('sees the age of the backup and the disk of the host', async () => {
    const [age] = await query(
      'time() - taskapp_backup_last_success_timestamp_seconds{database="taskdb"}',
    );
    expect(Number(age?.value[1])).toBeLessThan(600);
    expect(
      (await query('node_filesystem_size_bytes{mountpoint="/"}')).map(
        ({ value }) => Number(value[1]) > 1e9,
      ),
    ).toEqual([true]);
  });

  it('reads statistics with a login that reads no table', async () => {
    const asMonitor = (statement: string) => stack.sql(`SET ROLE taskapp_monitor; ${statement}`);
    expect(
      await asMonitor(`SELECT count(*) > 0 FROM pg_stat_activity WHERE query LIKE '%tasks%'`),
    ).toContain('t');
    for (const statement of [
      'SELECT FROM tasks',
      'DELETE FROM tasks',
      'CREATE TABLE x ()',
      `COPY (SELECT 1) TO PROGRAM 'true'`,
    ]) {
      await expect(asMonitor(statement)).rejects.toThrow('permission denied');
    }
  });

  it("cannot be reached through nginx, nor can nginx's status or the API's metrics", async () => {
    for (const path of ['/metrics', '/stub_status'])
      expect((await stack.https(path)).status).toBe(404);
    expect(Object.keys((await stack.inspect('web')).NetworkSettings.Ports).toSorted()).toEqual([
      '443/tcp',
      '80/tcp',
    ]);
  });

  it('notices that the database or nginx is down, although their exporters answer', async () => {
    await stack.compose('stop', 'web', 'db');
    const alerts = async () =>
      (await query('ALERTS{alertname="Down"}')).map(({ metric }) => `${metric.job}`).toSorted();
    await expect.poll(alerts, { timeout: 60_000, interval: 1_000 }).toEqual(['nginx', 'postgres']);
    // Without the API, which may count as unhealthy until its next check.
    await stack.compose('up', '-d', '--wait', '--no-deps', 'web', 'db');
    await expect.poll(alerts, { timeout: 60_000, interval: 1_000 }).toEqual([]);
  });
});
