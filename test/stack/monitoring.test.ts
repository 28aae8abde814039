// The profile monitoring on the production stack: what Prometheus scrapes, and what the dashboard
// and the alerts make of it, and that they arrive. Only Grafana's files are checked: without a
// registry it has no image.
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, inject, it, onTestFinished } from 'vitest';
import { parse } from 'yaml';
import { copyForAll, root } from '../lib/copy.ts';
import { Script } from '../lib/live.ts';
import { Production } from '../lib/production.ts';
import { Receiver } from '../lib/receiver.ts';
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

const read = (path: string) => readFileSync(join(root, path), 'utf8');
const ymlIn = (directory: string) =>
  readdirSync(join(root, directory))
    .filter((name) => name.endsWith('.yml'))
    .map((name) => `${directory}/${name}`);
const ruleTests = ymlIn('monitoring/alerts/test');

interface Rule {
  alert: string;
  labels: { severity: string };
  annotations: { summary: string; action: string; runbook: string };
}
interface RuleTest {
  alert_rule_test: { alertname: string; exp_alerts: unknown[] }[];
}

describe('the alerts', () => {
  const rules = ymlIn('monitoring/alerts').flatMap((file) =>
    (parse(read(file)) as { groups: { rules: Rule[] }[] }).groups.flatMap((group) => group.rules),
  );
  const names = rules.map(({ alert }) => alert);

  it('have names of their own, and say what is wrong and what to do', () => {
    expect(new Set(names).size).toBe(names.length);
    for (const { alert, labels, annotations } of rules) {
      expect([alert, ['page', 'ticket', 'none'].includes(labels.severity)]).toEqual([alert, true]);
      expect([alert, Object.keys(annotations)]).toEqual([alert, ['summary', 'action', 'runbook']]);
    }
  });

  it('link to a runbook each, and each runbook is for an alert', () => {
    const links = rules.map(({ annotations }) => annotations.runbook);
    expect(links).toEqual(names.map((name) => `docs/runbooks.md#${name.toLowerCase()}`));
    const [alerts = ''] = read('docs/runbooks.md').split('\n## Disasters\n');
    const headings = [...alerts.matchAll(/^## (.*)$/gm)].map(([, text]) => text);
    expect(headings).toHaveLength(names.length);
    expect(new Set(headings)).toEqual(new Set(names));
  });

  it('have a test that fires each, and one that does not', () => {
    const tests = ruleTests
      .flatMap((file) => (parse(read(file)) as { tests: RuleTest[] }).tests)
      .flatMap((test) => test.alert_rule_test);
    const tested = (isFired: boolean) =>
      new Set(
        tests
          .filter(({ exp_alerts }) => exp_alerts.length > 0 === isFired)
          .map(({ alertname }) => alertname),
      );
    expect(tested(true)).toEqual(new Set(names));
    const quiet = new Set(names.filter((name) => name !== 'Watchdog')); // it always fires
    expect(tested(false)).toEqual(quiet);
  });

  it('expect as many replicas as compose.prod.yml starts', () => {
    const wanted = /^taskapp_api_replicas_wanted (\d+)$/m.exec(read('monitoring/production.prom'));
    expect(wanted?.[1]).toBe(/replicas: (\d+)/.exec(read('compose.prod.yml'))?.[1]);
  });
});

/** Alerts that are posted to Alertmanager as Prometheus does it. */
class Alerts {
  readonly #url: string;

  constructor(alertmanager: string) {
    this.#url = `${alertmanager}/api/v2/alerts`;
  }

  async post(labels: Record<string, string>): Promise<void> {
    const alert = { labels: { ...labels, by: 'test', severity: 'page' } };
    const response = await fetch(this.#url, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify([alert]),
    });
    if (!response.ok) throw new Error(`${response.status}: ${await response.text()}`);
  }

  /** Which of them are sent, and which are not. */
  async states(): Promise<Record<string, string>> {
    const response = await fetch(`${this.#url}?filter=by%3D%22test%22`);
    const list = (await response.json()) as {
      labels: { alertname: string };
      status: { state: string };
    }[];
    return Object.fromEntries(list.map(({ labels, status }) => [labels.alertname, status.state]));
  }
}

describe.skipIf(inject('notRunBecause'))('the profile monitoring', () => {
  interface Model {
    services: Record<
      string,
      {
        image: string;
        command?: string[];
        ports?: { host_ip?: string }[];
        environment?: Record<string, string>;
      }
    >;
  }
  const model = async (stack: Stack) =>
    JSON.parse(
      await stack.compose('--profile', 'monitoring', 'config', '--format', 'json'),
    ) as Model;
  const added = ['alertmanager', 'blackbox', 'grafana', 'prometheus'];
  added.push('nginx-exporter', 'node-exporter', 'postgres-exporter');

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

  it('ships logs with a file of its own, in which only Alloy has the socket', async () => {
    const files = ['compose.yml', 'compose.prod.yml', 'monitoring/compose.logs.yml'];
    const logs = JSON.parse(
      await new Stack({ files }).compose('--profile', '*', 'config', '--format', 'json'),
    ) as {
      services: Record<string, { image: string; ports?: object[]; volumes?: { source: string }[] }>;
    };
    for (const name of ['loki', 'alloy']) {
      expect(logs.services[name]?.image).toMatch(/:v?\d+\.\d+\.\d+$/);
      expect(logs.services[name]?.ports).toBeUndefined();
    }
    const withSocket = Object.entries(logs.services)
      .filter(([, { volumes = [] }]) => volumes.some(({ source }) => /docker\.sock/.test(source)))
      .map(([name]) => name);
    expect(withSocket).toEqual(['alloy']);
  });

  it('takes its passwords from files in production', async () => {
    const { services } = await model(new Stack({ files: ['compose.yml', 'compose.prod.yml'] }));
    const environment = (name: string) =>
      Object.keys(services[name]?.environment ?? {}).filter((key) => key.includes('PASS'));
    expect(environment('postgres-exporter')).toEqual(['DATA_SOURCE_PASS_FILE']);
    expect(environment('grafana')).toEqual(['GF_SECURITY_ADMIN_PASSWORD__FILE']);
    expect(environment('alertmanager')).toEqual(['ALERT_SMTP_PASSWORD_FILE']);
    expect(environment('db').toSorted()).toEqual([
      'DB_PASS_FILE',
      'MONITOR_PASS_FILE',
      'POSTGRES_PASSWORD_FILE',
    ]);
  });

  it.each([
    ['check', 'config', '/monitoring/prometheus.yml'],
    ['test', 'rules', ...ruleTests.map((file) => `/${file}`)],
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

  it.each([
    [{ ALERT_MAIL_TO: 'a@example.org' }, 'set ALERT_MAIL_FROM and ALERT_SMTP_HOST'],
    [{ ALERT_SMTP_TLS: 'maybe' }, "ALERT_SMTP_TLS is 'maybe'; set it to on or off"],
    [
      { ALERT_SMTP_USER: 'a', ALERT_SMTP_PASSWORD_FILE: '/dev/null' },
      'write its password into secrets/alert_smtp_password',
    ],
  ])('says which setting of Alertmanager is wrong: %j', async (env, message) => {
    const { services } = await model(new Stack());
    const settings = Object.entries(env).flatMap(([name, value]) => ['--env', `${name}=${value}`]);
    const mount = `${root}/monitoring/alertmanager.sh:/alertmanager.sh:ro`;
    const command = ['--entrypoint', 'sh', `${services.alertmanager?.image}`, '/alertmanager.sh'];
    const started = docker('run', '--rm', ...settings, '-v', mount, ...command);
    await expect(started).rejects.toThrow(message);
  });

  it('measures no filesystem of the kernel or of the firmware', async () => {
    // What it reads instead of the mounts of this machine, which may have no such filesystem.
    const directory = mkdtempSync(join(tmpdir(), 'taskapp-proc-'));
    mkdirSync(join(directory, '1'));
    const kinds = { '/': 'ext4', '/data': 'xfs', '/sys/firmware/efi/efivars': 'efivarfs' };
    const lines = (line: (path: string, kind: string) => string) =>
      Object.entries({ ...kinds, '/run': 'tmpfs', '/sys': 'sysfs' })
        .map(([path, kind]) => `${line(path, kind)}\n`)
        .join('');
    const mounts = lines((path, kind) => `/dev/x ${path} ${kind} rw 0 0`);
    const mountinfo = lines((path, kind) => `1 1 8:1 / ${path} rw - ${kind} /dev/x rw`);
    for (const [name, text] of Object.entries({ mounts, mountinfo }))
      writeFileSync(join(directory, '1', name), text);
    chmodSync(directory, 0o755);

    const { services } = await model(new Stack());
    const { image = '', command = [] } = services['node-exporter'] ?? {};
    const mount = ['--volume', `${directory}:/proc-of-test:ro`];
    // Compose writes a dollar twice.
    const options = command.map((option) => option.replaceAll('$$', '$'));
    const run = ['run', '--detach', ...mount, image, ...options, '--path.procfs=/proc-of-test'];
    const id = (await docker(...run)).trim();
    onTestFinished(async () => {
      await docker('rm', '--force', '--volumes', id);
      rmSync(directory, { recursive: true });
    });
    const measured = async () => {
      const url = 'http://127.0.0.1:9100/metrics';
      const metrics = await docker('exec', id, 'wget', '-qO-', url).catch(() => '');
      const found = metrics.matchAll(/^node_filesystem_device_error\{.*mountpoint="([^"]+)"/gm);
      return [...found].map(([, path]) => path);
    };
    await expect.poll(measured, { timeout: 20_000 }).toEqual(['/', '/data']);
  });

  it('hides what follows from a node exporter that is down', async () => {
    const stack = new Stack();
    onTestFinished(() => stack.destroy());
    const profile = ['--profile', 'monitoring'];
    await stack.compose(...profile, 'up', '-d', '--wait', '--no-deps', 'alertmanager');
    const address = await stack.compose(...profile, 'port', 'alertmanager', '9093');
    const alerts = new Alerts(`http://${address.trim()}`);
    const backups = ['BackupTooOld', 'DrillTooOld', 'BaseBackupTooOld'];
    await alerts.post({ alertname: 'Down', job: 'node' });
    for (const alertname of [...backups, 'ErrorRate']) await alerts.post({ alertname });
    await expect
      .poll(() => alerts.states(), { timeout: 60_000, interval: 1_000 })
      .toEqual({
        Down: 'active',
        BackupTooOld: 'suppressed',
        DrillTooOld: 'suppressed',
        BaseBackupTooOld: 'suppressed',
        ErrorRate: 'active',
      });
  });
});

describe.skipIf(inject('notRunBecause'))('Prometheus', () => {
  let directory: string;
  let stack: Production;
  let receiver: Receiver;
  let prometheus: string;
  let alertmanager: string;
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
  const addressOf = async (service: string, port: string) =>
    `http://${(await stack.compose('--profile', 'monitoring', 'port', service, port)).trim()}`;
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
    receiver = await Receiver.start();
    stack = new Production({
      directory,
      files: ['test/lib/receiver.compose.yml'],
      env: {
        ALERT_MAIL_TO: 'ops@example.org',
        ALERT_MAIL_FROM: "o'hara@example.org",
        ALERT_SMTP_HOST: `receiver:${receiver.smtpPort}`,
        ALERT_SMTP_TLS: 'off',
        ALERT_WEBHOOK_URL: `http://receiver:${receiver.httpPort}/people`,
        ALERT_HEARTBEAT_URL: `http://receiver:${receiver.httpPort}/heartbeat`,
      },
    });
    await stack.up();
    await stack.compose(
      '--profile',
      'monitoring',
      'up',
      '-d',
      '--wait',
      'prometheus',
      'alertmanager',
      'blackbox',
      'postgres-exporter',
      'nginx-exporter',
      'node-exporter',
    );
    prometheus = await addressOf('prometheus', '9090');
    alertmanager = await addressOf('alertmanager', '9093');
    traffic = sendSome();
    const { code, output } = await script('backup.sh').ended;
    if (code !== 0) throw new Error(output);
  });
  afterAll(async () => {
    isOver = true;
    await traffic;
    await stack.remove();
    receiver.stop();
    rmSync(directory, { recursive: true, force: true });
  });

  it('reaches every tier, each replica of the API, and the host', async () => {
    const up = async () => (await query('up == 1')).map(({ metric }) => `${metric.job}`).toSorted();
    await expect.poll(up, { timeout: 60_000, interval: 1_000 }).toEqual(
      ['alertmanager', 'blackbox', 'inside', 'prometheus'] // of the profile itself
        .concat('api', 'api', 'nginx', 'node', 'postgres', 'web')
        .toSorted(),
    );
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
    // What the weekly drill and point-in-time recovery would write.
    expect(await script('record-run.sh', 'restore-test', 'true').ended).toMatchObject({ code: 0 });
    writeFileSync(
      join(directory, 'monitoring/textfile/base-backup.prom'),
      'taskapp_base_backup_last_success_timestamp_seconds 1\ntaskapp_barman_wanted 1\n',
    );
    await stack.sql("SELECT pg_create_physical_replication_slot('barman', true)");
    const metrics = () => ask<string[]>('label/__name__/values');
    for (const name of ['pg_replication_slots_pg_wal_lsn_diff', 'taskapp_run_exit_code'])
      await expect.poll(metrics, { timeout: 40_000, interval: 1_000 }).toContain(name);
    const known = new Set(await metrics());
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
          .replaceAll(/\{[^}]*\}|\[[^\]]*\]|\b(by|without|on) ?\([^)]*\)/g, ' ')
          .match(/\b[a-z]\w+\b(?! *\()/g) ?? [];
      const watched = names.filter((word) => !['and', 'or', 'unless', 'by'].includes(word));
      expect([name, watched.filter((metric) => !known.has(metric))]).toEqual([name, []]);
      expect([name, watched.length === 0]).toEqual([name, name === 'Watchdog']);
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

  it('sees the service and its certificate as a client does', async () => {
    const probe = async () =>
      (await query('probe_success')).map(({ metric, value }) => [metric.instance, value[1]]);
    await expect
      .poll(probe, { timeout: 60_000, interval: 1_000 })
      .toEqual([['https://web/healthz', '1']]);
    const [left] = await query('(probe_ssl_earliest_cert_expiry - time()) / 86400');
    expect(Number(left?.value[1])).toBeGreaterThan(360);
  });

  it('counts the errors that clients get from nginx, by status', async () => {
    const statuses = async () =>
      (await query('nginx_http_errors_total > 0')).map(({ metric }) => metric.status);
    await expect
      .poll(statuses, { timeout: 40_000, interval: 1_000 })
      .toEqual(expect.arrayContaining(['400', '404']));
    expect(await statuses()).not.toContain('200');
  });

  it(
    'notices that one replica is gone, and that nginx answers 502 without any',
    { timeout: 300_000 },
    async () => {
      const noticed = async (alertname: string) =>
        (await query(`ALERTS{alertname="${alertname}"}`)).length; // pending is enough
      await docker('stop', `${stack.project}-api-2`);
      const options = { timeout: 60_000, interval: 1_000 };
      await expect.poll(() => noticed('ReplicasMissing'), options).toBe(1);
      expect(await noticed('Unanswered')).toBe(0);

      await docker('stop', `${stack.project}-api-1`);
      await expect.poll(() => noticed('Unanswered'), options).toBe(1);
      await docker('start', `${stack.project}-api-1`, `${stack.project}-api-2`);
      await expect.poll(() => query('up{job="api"} == 1'), options).toHaveLength(2);
      await expect.poll(() => noticed('ReplicasMissing'), options).toBe(0);
    },
  );

  it("sends the dead man's switch again and again, and nobody else gets it", async () => {
    const beats = () => receiver.alerts('/heartbeat').map(({ labels }) => labels.alertname);
    await expect
      .poll(() => beats().length, { timeout: 110_000, interval: 1_000 })
      .toBeGreaterThan(1);
    expect(new Set(beats())).toEqual(new Set(['Watchdog']));
    const names = receiver.alerts('/people').map(({ labels }) => labels.alertname);
    expect(names).not.toContain('Watchdog');
  });

  it('hides the alerts that follow from another fault', async () => {
    const alerts = new Alerts(alertmanager);
    for (const alertname of ['ApiGone', 'ErrorRate', 'CertificateExpires'])
      await alerts.post({ alertname });
    await expect
      .poll(() => alerts.states(), { timeout: 60_000, interval: 1_000 })
      .toEqual({ ApiGone: 'active', ErrorRate: 'suppressed', CertificateExpires: 'active' });
  });

  it('tells people that the database or nginx is down', { timeout: 300_000 }, async () => {
    await stack.compose('stop', 'web', 'db');
    const alerts = async () =>
      (await query('ALERTS{alertname="Down"}')).map(({ metric }) => `${metric.job}`).toSorted();
    await expect
      .poll(alerts, { timeout: 60_000, interval: 1_000 })
      .toEqual(['nginx', 'postgres', 'web']); // although the exporters answer

    // `for` is 1 minute, group_wait 30 s. The alert of `web` is hidden behind that of `nginx`.
    const told = () => [
      ...new Set(
        receiver
          .alerts('/people')
          .filter(({ labels }) => labels.alertname === 'Down')
          .map(({ labels }) => `${labels.job}`),
      ),
    ];
    await expect
      .poll(() => told().toSorted(), { timeout: 180_000, interval: 1_000 })
      .toEqual(['nginx', 'postgres']);
    const mails = () => receiver.mails.map((mail) => mail.replaceAll('=\n', '')).join('\n');
    await expect.poll(mails, { timeout: 30_000 }).toContain('nginx-exporter:9113');
    expect(mails()).toMatch(/^To: ops@example\.org$/m);
    expect(mails()).toContain('docs/runbooks.md#down');

    // Without the API, which may count as unhealthy until its next check.
    await stack.compose('up', '-d', '--wait', '--no-deps', 'web', 'db');
    await expect.poll(alerts, { timeout: 60_000, interval: 1_000 }).toEqual([]);
  });
});
