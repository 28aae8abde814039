// A stack that runs, unlike any other and yet right; then what students break, and do not see.
import { execFile } from 'node:child_process';
import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, inject, it, onTestFinished, vi } from 'vitest';
import { Course } from '../../test/course.ts';
import { differences, idsOf } from '../../test/expected.ts';
import { set } from './by-files.ts';

const outage = [
  'health.database-down',
  'health.unhealthy',
  'health.nginx-alone',
  'health.recovers',
];
const page = '<title>Tasks</title> <a href="/new">Sign up</a>';

describe.skipIf(inject('notRunBecause'))('a stack that runs', () => {
  const course = new Course();
  const files = ['compose.yml', 'api/server.js', 'nginx/default.conf'];
  const pristine = new Map<string, string>();

  const docker = (...args: string[]) => promisify(execFile)('docker', args);
  const up = () => course.compose('up', '-d', '--wait');
  const restarted = () => course.compose('restart', '--timeout', '1', 'api');
  const container = async (service: string) => {
    const ids = await course.compose('ps', '--quiet', service);
    return ids.split('\n')[0] ?? '';
  };
  /** Waits until every check has passed, and the API answers. */
  const settled = () =>
    vi.waitFor(
      async () => {
        expect(await course.compose('ps')).not.toMatch(/unhealthy|starting/);
        const { results } = await course.check({ only: ['health.healthz'] });
        expect(results[0]?.outcome).toBe('passed');
      },
      { timeout: 40_000, interval: 500 },
    );
  /** Changes a file, and undoes it in the end. */
  const changed = (file: string, from: string, to: string, undo: () => Promise<unknown>) => {
    course.edit(file, from, to);
    onTestFinished(async () => {
      for (const [name, text] of pristine) course.write(name, text);
      await undo();
    });
  };
  const expectFailed = async (only: string[], failed: string[], notRun: string[] = []) => {
    const report = await course.check({ only, destructive: true });
    expect(differences(report, failed, notRun)).toEqual([]);
  };

  beforeAll(async () => {
    const unusual = join(import.meta.dirname, 'unusual');
    copyFileSync(join(unusual, 'compose.yml'), join(course.directory, 'compose.unusual.yml'));
    copyFileSync(join(unusual, 'default.conf'), join(course.directory, 'nginx/default.conf'));
    set(course, '.env', 'COMPOSE_FILE=compose.yml:compose.override.yml:compose.unusual.yml');
    course.edit('api/server.js', "status: 'healthy'", "status: 'UP', database: { status: 'UP' }");
    for (const file of files) pristine.set(file, course.read(file));
    await course.compose('build');
    await course.compose('up', '-d', '--wait', 'db'); // makes its database on the usual port
    set(course, '.env', 'DATABASE_PORT=5433');
    await up();
  });
  afterAll(() => course.remove());

  it.each(['health', 'network', 'volumes', 'config.non-root'])('right: its %s', async (only) => {
    const report = await course.check({ only: [only] });
    expect(differences(report, [])).toEqual([]);
    expect(idsOf(report, 'passed')).not.toEqual([]);
  });

  it('wrong: a database that is up, and paused', async () => {
    const db = await container('db');
    await docker('pause', db);
    onTestFinished(() => docker('unpause', db).then(() => undefined));
    await expectFailed(['health.running'], ['health.running']);
  });

  it('wrong: one of two replicas hangs', async () => {
    const api = await container('api');
    const signal = (name: string) => {
      const ofNode = `grep -q '[s]erver.js' $dir/cmdline && kill -s ${name} "\${dir#/proc/}"`;
      const script = `for dir in /proc/[0-9]*; do ${ofNode}; done; true`;
      return docker('exec', api, 'sh', '-c', script);
    };
    await signal('STOP');
    onTestFinished(async () => {
      await signal('CONT');
      await settled();
    });
    const states = () => course.compose('ps', 'api');
    await expect.poll(states, { timeout: 30_000 }).toContain('unhealthy');
    await expectFailed(['health.healthy'], ['health.healthy']);
  });

  it('wrong: a container that is older than its health check', async () => {
    const upOfDb = async () => {
      await course.compose('up', '-d', '--no-deps', 'db');
      await settled();
    };
    const test = /      test: \[CMD-SHELL, "pg_isready.*\n/.exec(course.read('compose.yml'))?.[0];
    changed('compose.yml', test ?? '', '      disable: true\n', upOfDb);
    await upOfDb();
    course.write('compose.yml', pristine.get('compose.yml') ?? '');
    const { results } = await course.check({ only: ['health.checks', 'health.healthy'] });
    expect(results.map(({ seen }) => seen)).toEqual([
      [],
      [expect.stringContaining('-postgres runs without its health check')],
    ]);
  });

  it('wrong: a page for every path, which happens to say "up"', async () => {
    const from = 'location = /nginx-health {';
    const path = 'location ~ ^/(?!api|healthz) {';
    changed('nginx/default.conf', from, path, () => course.reloadNginx());
    const said = `'{"status":"UP","server":"nginx"}'`;
    course.edit('nginx/default.conf', said, `'${page}'`);
    await course.reloadNginx();
    await expectFailed(['health.nginx', 'health.healthz'], ['health.nginx']);
  });

  it('wrong: a health page with 200 that says what is wrong', async () => {
    const from = "status: 'UP', database: { status: 'UP' }";
    changed('api/server.js', from, "status: 'DOWN', nginx: { status: 'healthy' }", async () => {
      await restarted();
      await settled();
    });
    await restarted();
    const seen = async () => (await course.check({ only: ['health.healthz'] })).results[0]?.seen;
    await expect.poll(seen, { timeout: 20_000 }).toEqual([expect.stringMatching(/^200 .*DOWN/)]);
  });

  it('wrong: a database that listens to itself alone', async () => {
    const after = async (statement: string) => {
      await course.sql(statement);
      await course.compose('restart', '--timeout', '5', 'db');
    };
    onTestFinished(async () => {
      await after('ALTER SYSTEM RESET listen_addresses');
      await settled();
    });
    await after("ALTER SYSTEM SET listen_addresses = 'localhost'");
    const state = () => course.compose('ps', 'db');
    await expect.poll(state, { timeout: 20_000 }).toContain('(healthy)');
    const blocked = ['network.web-cannot-reach-db'];
    await expectFailed(['network'], ['network.api-reaches-db'], blocked);
  });

  it('wrong: web was put into the network of db by hand', async () => {
    const web = await container('web');
    const network = `${course.name}_backend`;
    await docker('network', 'connect', network, web);
    onTestFinished(() => docker('network', 'disconnect', network, web).then(() => undefined));
    await expectFailed(['network'], ['network.web-cannot-reach-db']);
  });

  it('wrong: workers that are root, and an API with a helper that is not', async () => {
    const conf = 'user root;\\nevents {}\\nhttp { include /etc/nginx/conf.d/*.conf; }\\n';
    const script = `printf '${conf}' > /tmp/nginx.conf; exec nginx -c /tmp/nginx.conf -g 'daemon off;'`;
    const compose = course.read('compose.unusual.yml');
    onTestFinished(async () => {
      course.write('compose.unusual.yml', compose);
      await up();
    });
    const own = /    user: nginx\n    tmpfs:\n(?:      .*\n)+/.exec(compose)?.[0] ?? '';
    course.edit('compose.unusual.yml', own, `    command: [sh, -c, ${JSON.stringify(script)}]\n`);
    const helper = 'setpriv --reuid=node --clear-groups sleep 1d & exec node server.js';
    const entrypoint = /entrypoint: .*/.exec(compose)?.[0] ?? '';
    course.edit('compose.unusual.yml', entrypoint, `entrypoint: [sh, -c, "${helper}"]`);
    await up();
    const { results } = await course.check({ only: ['config.non-root'] });
    expect(results[0]?.seen).toEqual([
      expect.stringContaining('every process of web runs as root: nginx'),
      expect.stringContaining('api runs as root: node server.js'),
    ]);
  });

  describe('without its database', () => {
    it('right: an API that ends, and an nginx that says so', async () => {
      const ends = "await query('SELECT 1');\npool.on('error', () => process.exit(1));\n";
      changed('api/server.js', 'const missing =', `${ends}const missing =`, restarted);
      await restarted();
      await settled();
      await expectFailed(outage, []);
    });

    const asked = "fetch('http://127.0.0.1:8080/healthz').then((r) => process.exit(r.ok ? 0 : 1))";
    it.each([
      ['a page that does not ask the database', asked.replace('healthz', '')],
      ['the port alone', "require('net').connect(8080).on('connect', () => process.exit())"],
    ])('wrong: a health check of %s', async (_what, test) => {
      changed('compose.yml', asked, test, up);
      await up();
      await expectFailed(outage, ['health.unhealthy']);
    });

    it('wrong: nginx answers in the name of the API', async () => {
      const said = `location = /healthz { return 200 '{"status":"UP"}'; }`;
      const from = 'location @down {';
      changed('nginx/default.conf', from, `${said}\n    ${from}`, () => course.reloadNginx());
      await course.reloadNginx();
      await expectFailed(outage, ['health.database-down'], ['health.unhealthy']);
    });
  });

  it('runs again after an `up` that was killed at its limit', async () => {
    const path = `${join(import.meta.dirname, 'killed-up')}:${process.env.PATH}`;
    const env = { PATH: path, KILLED: join(course.directory, 'killed') };
    const only = ['operations.down-up'];
    const report = await course.check({ only, destructive: true }, { env });
    expect(differences(report, only)).toEqual([]);
    await settled();
  });
});
