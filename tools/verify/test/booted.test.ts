// The course-like stack, booted: it passes every check, and each mutation of it fails exactly the
// checks that it should.
import { execFile, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, rmSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import {
  afterAll,
  beforeAll,
  beforeEach,
  describe,
  expect,
  inject,
  it,
  onTestFinished,
  vi,
} from 'vitest';
import { root } from './root.ts';
import { checks } from '../checks/all.ts';
import { Course } from './course.ts';
import { differences, idsOf } from './expected.ts';

describe.skipIf(inject('notRunBecause'))('the booted course-like stack', () => {
  const course = new Course();
  const pristine = new Map<string, string>();

  const up = () => course.compose('up', '-d', '--wait');
  const tasks = () => course.tasks();
  const containers = async () =>
    (await course.compose('ps', '--quiet', '--no-trunc')).split('\n').toSorted().join('\n');

  beforeAll(async () => {
    await course.compose('build');
    await up();
    const files = ['.env', '.env.example', 'api/server.js', 'nginx/default.conf'];
    files.push('compose.yml', 'compose.override.yml', 'compose.prod.yml');
    for (const file of files) pristine.set(file, course.read(file));
  });
  afterAll(() => course.remove());
  const writePristine = () => pristine.forEach((text, file) => course.write(file, text));
  beforeEach(() => {
    onTestFinished(writePristine);
  });

  const restarted = async () => {
    await course.compose('restart', '--timeout', '2', 'api');
    await course.reloadNginx(); // the address of api may have changed
    const published = await course.compose('port', 'web', '80');
    const url = `http://localhost:${published.trim().split(':').at(-1)}/healthz`;
    const reachesApi = async () => {
      expect((await fetch(url)).status).not.toBeOneOf([502, 504]);
    };
    // Not expect.poll: afterAll calls this too.
    await vi.waitFor(reachesApi, { timeout: 20_000, interval: 100 });
  };

  it('passes every check in less than a minute, and is as it was', async () => {
    const [rows, ids] = [await tasks(), await containers()];
    const report = await course.check();
    expect(differences(report, [])).toEqual([]);
    const withoutVerdict = idsOf(report, 'skipped').filter(
      (id) => !checks.find((check) => check.id === id)?.destructive,
    );
    // It has no secret files, and is not production.
    expect(withoutVerdict).toEqual(['config.secret-files', 'database.published-passwords']);
    expect(report.ms).toBeLessThan(60_000);
    expect([await tasks(), await containers()]).toEqual([rows, ids]);
  });

  it.each(['web', 'db'])('has the tools of the official images in %s: BusyBox', async (service) => {
    const tools = 'awk cp date find grep head sed sh stat tail timeout wget';
    const script = `for tool in ${tools}; do readlink -f "$(which $tool)"; done`;
    const paths = await course.compose('exec', '-T', service, 'sh', '-c', script);
    expect(paths.split('\n').filter((path) => path && !path.endsWith('/busybox'))).toEqual([]);
  });

  it('is what npm run verify says of it, with exit code 0, to programs as well', async () => {
    const args = [
      join(root, 'tools/verify/main.ts'),
      '--dir',
      course.directory,
      '-p',
      course.name,
      '--only',
      'health,volumes',
    ];
    // Rejects unless the exit code is 0.
    const { stdout } = await promisify(execFile)(process.execPath, [...args, '--format', 'junit']);
    expect(stdout).toContain(
      '<testsuite name="volumes" tests="2" failures="0" errors="0" skipped="0"',
    );
    const failed = promisify(execFile)(process.execPath, [
      ...args,
      '--format',
      'json',
      '--url',
      'http://127.0.0.1:1',
    ]);
    await expect(failed).rejects.toMatchObject({
      code: 1,
      stdout: expect.stringContaining('ECONNREFUSED') as unknown,
    });
  });

  it('passes the destructive checks in less than three minutes, and has its data', async () => {
    const rows = await tasks();
    const report = await course.check({ destructive: true, only: ['health', 'operations'] });
    expect(differences(report, [])).toEqual([]);
    expect(idsOf(report, 'skipped')).toEqual(['operations.backup-script']); // it has none
    expect(report.ms).toBeLessThan(180_000);
    expect(await tasks()).toBe(rows);
    expect(differences(await course.check({ only: ['health'] }), [])).toEqual([]);
  });

  describe('its API', () => {
    const only = [
      'health.running',
      'health.healthy',
      'health.answers',
      'health.nginx',
      'health.healthz',
      'api',
      'database.stored',
    ]; // the checks that call the API
    afterAll(restarted); // with its own code

    it.each<[what: string, from: string, to: string, failed: string[], notRun?: string[]]>([
      [
        'a list without envelope, as some labs have it',
        "{ tasks: await query('SELECT * FROM tasks ORDER BY id') }",
        "await query('SELECT * FROM tasks ORDER BY id')",
        [],
      ],
      [
        '{"deleted": 3}, as some labs have it',
        '{ message: `Task ${id} deleted` }',
        '{ deleted: Number(id) }',
        [],
      ],
      ['a created task without envelope', '[201, { task }]', '[201, task]', []],
      ['200 for a new task', '[201, { task }]', '[200, { task }]', ['api.create']],
      ['a wrong default', "data.status ?? 'pending'", "data.status ?? 'open'", ['api.create']],
      ['a status that is ignored', "data.status ?? 'pending'", "'pending'", ['api.create']],
      [
        '200 for a missing title',
        '[400, { error: "Missing \'title\' in request body" }]',
        '[200, {}]',
        ['api.missing-title'],
      ],
      [
        'a task without a title is stored',
        'if (!data.title) return [400, { error: "Missing \'title\' in request body" }];',
        "data.title ??= '';",
        ['api.missing-title'],
      ],
      [
        'an error without a reason',
        '[400, { error: "Missing \'title\' in request body" }]',
        '[400, {}]',
        ['api.missing-title'],
      ],
      [
        '200 for what is not JSON',
        "if (!type.includes('json')) return [400, { error: 'Request body must be JSON' }];",
        "if (!type.includes('json')) return [200, {}];",
        ['api.not-json'],
      ],
      [
        '500 for broken JSON',
        "} catch {\n      return [400, { error: 'Request body must be JSON' }];",
        "} catch {\n      return [500, { error: 'Request body must be JSON' }];",
        ['api.not-json'],
      ],
      [
        'an update that forgets the title',
        '[id, data.title, data.status]',
        "[id, data.title ?? '', data.status]",
        ['api.update'],
      ],
      [
        'an update that forgets the status',
        '[id, data.title, data.status]',
        "[id, data.title, data.status ?? 'pending']",
        ['api.update'],
      ],
      [
        'an update that is not stored',
        "return task ? [200, { task }] : missing(id);\n  }\n  if (method === 'DELETE')",
        [
          "await query('UPDATE tasks SET title = left(title, 8) WHERE id = $1', [id]);",
          '    return task ? [200, { task }] : missing(id);',
          '  }',
          "  if (method === 'DELETE')",
        ].join('\n'),
        ['api.update'],
      ],
      [
        'a delete that only says so',
        "'DELETE FROM tasks WHERE id = $1 RETURNING id'",
        "'SELECT id FROM tasks WHERE id = $1'",
        ['api.delete'],
      ],
      [
        '200 for an unknown id',
        '[404, { error: `Task ${id} not found` }]',
        '[200, {}]',
        ['api.unknown-id'],
      ],
      [
        '200 for an unknown path',
        "if (api !== 'api' || tasks !== 'tasks') return [404,",
        "if (api !== 'api' || tasks !== 'tasks') return [200,",
        ['api.unknown-path'],
      ],
      [
        'quotes that are doubled',
        '[data.title, data.status',
        '[data.title.replaceAll("\'", "\'\'"), data.status',
        ['api.text'],
      ],
      [
        'markup that is escaped on the way in',
        '[data.title, data.status',
        "[data.title.replaceAll('<', '&lt;'), data.status",
        ['api.text'],
      ],
      [
        'tasks without a status',
        "query('SELECT * FROM tasks ORDER BY id')",
        "query('SELECT id, title FROM tasks ORDER BY id')",
        ['api.list', 'api.create', 'api.text'],
        ['api.update', 'api.delete', 'api.get', 'api.wrong-id', 'database.stored'],
      ],
      [
        'a list that hangs',
        "if (method === 'GET' && !id) return",
        [
          "if (method === 'GET' && !id) await new Promise(() => undefined);",
          "  if (method === 'GET' && !id) return",
        ].join('\n'),
        ['api.list'],
        [
          'api.create',
          'api.text',
          'api.update',
          'api.delete',
          'api.missing-title',
          'api.not-json',
          'api.unknown-id',
          'api.get',
          'api.wrong-id',
          'database.stored',
        ],
      ],
      [
        'a health check that is plain text',
        "return [200, { status: 'healthy' }]",
        "return [200, 'fine']",
        ['health.healthz'],
      ],
      [
        'a health check that fails',
        "return [200, { status: 'healthy' }]",
        "return [500, { status: 'healthy' }]",
        ['health.healthy', 'health.healthz'],
      ],
    ])('%s', async (_what, from, to, failed, notRun = []) => {
      const rows = await tasks();
      course.edit('api/server.js', from, to);
      await restarted();
      const report = await course.check({ only });
      expect(differences(report, failed, notRun)).toEqual([]);
      expect(await tasks()).toBe(rows); // even if the API deletes nothing
    });
  });

  it('tasks that the API keeps in its memory fail exactly that check', async () => {
    course.edit(
      'api/server.js',
      "const [task] = await query('INSERT INTO tasks (title, status) " +
        "VALUES ($1, $2) RETURNING *', [data.title, data.status ?? 'pending']);",
      "const task = { id: 1e6 + memory.length, status: 'pending', ...data };" +
        '\n    memory.push(task);',
    );
    course.edit(
      'api/server.js',
      "tasks: await query('SELECT * FROM tasks ORDER BY id') }",
      "tasks: [...memory, ...(await query('SELECT * FROM tasks'))] }",
    );
    course.edit('api/server.js', 'const missing =', 'const memory = [];\nconst missing =');
    course.edit(
      'api/server.js',
      "if (method === 'PUT') {",
      [
        'const kept = memory.find((one) => one.id === Number(id));',
        "  if (kept && method === 'PUT') return [200, { task: Object.assign(kept, data) }];",
        "  if (kept && method === 'DELETE') {",
        '    memory.splice(memory.indexOf(kept), 1);',
        '    return [200, {}];',
        '  }',
        "  if (method === 'PUT') {",
      ].join('\n'),
    );
    onTestFinished(async () => {
      writePristine(); // before the API starts: this hook comes before that of beforeEach
      await restarted();
    });
    await restarted();
    const report = await course.check({ only: ['health', 'api', 'database'] });
    expect(differences(report, ['database.stored'])).toEqual([]);
  });

  describe('its nginx', () => {
    const changed = async (from: string, to: string) => {
      course.edit('nginx/default.conf', from, to);
      onTestFinished(async () => {
        writePristine();
        await course.reloadNginx();
        // `up --wait` would give up at once on an unhealthy container.
        await expect
          .poll(() => course.compose('ps', 'web'), { timeout: 20_000 })
          .toContain('(healthy)');
        await up();
      });
      await course.reloadNginx();
    };

    it('no /nginx-health', async () => {
      await changed('location = /nginx-health', 'location = /other-health');
      await expect
        .poll(() => course.compose('ps', 'web'), { timeout: 20_000 })
        .toContain('unhealthy');
      expect(
        differences(await course.check({ only: ['health', 'api'] }), [
          'health.healthy',
          'health.nginx',
        ]),
      ).toEqual([]);
    });

    it('the welcome page at /', async () => {
      await changed(
        'location / {',
        'location = / { return 200 "<h1>Welcome to nginx!</h1>"; }\n    location / {',
      );
      expect(differences(await course.check({ only: ['health', 'api'] }), ['api.index'])).toEqual(
        [],
      );
    });

    it('a redirect to an address that was not asked for', async () => {
      await changed('proxy_pass http://api:8080;', 'return 301 https://$host$request_uri;');
      const report = await course.check({ only: ['health', 'api'] });
      expect(idsOf(report, 'failed')).toEqual(['health.answers']);
      expect(report.results.find(({ check }) => check.id === 'health.answers')?.seen[0]).toMatch(
        /redirects to https:.*--url/,
      );
    });
  });

  describe('its containers', () => {
    const lookAtContainers = ['health', 'network', 'volumes', 'config', 'database'];
    const changed = async (...mutate: [service: string, from: string, to: string][]) => {
      for (const edit of mutate) course.editService(...edit);
      onTestFinished(async () => {
        writePristine();
        await up();
      });
      await up();
    };

    it('web in both networks', async () => {
      await changed(['web', '[frontend]', '[frontend, backend]']);
      const report = await course.check({ only: lookAtContainers });
      expect(differences(report, ['network.separate', 'network.web-cannot-reach-db'])).toEqual([]);
    });

    it('an API that runs as root', async () => {
      await changed(['api', '    init: true', '    init: true\n    user: root']);
      const report = await course.check({ only: lookAtContainers });
      expect(differences(report, ['config.non-root'])).toEqual([]);
    });

    it('a database that lets everybody in', async () => {
      const hba = '/var/lib/postgresql/data/pg_hba.conf';
      const reload = 'psql -U "$POSTGRES_USER" -d "$POSTGRES_DB" -c "SELECT pg_reload_conf()"';
      const inDb = (script: string) => course.compose('exec', '-T', 'db', 'sh', '-c', script);
      // With cat: BusyBox's cp and sed -i would make a file of root's, unreadable for the server.
      const open = `sed 's/scram-sha-256/trust/' /tmp/hba | cat > ${hba}`;
      await inDb(`cat ${hba} > /tmp/hba && ${open} && ${reload}`);
      onTestFinished(() => inDb(`cat /tmp/hba > ${hba} && ${reload}`).then(() => undefined));
      const report = await course.check({ only: lookAtContainers });
      expect(differences(report, ['database.password'])).toEqual([]);
    });

    it('a table that takes anything', async () => {
      await course.sql('ALTER TABLE tasks ALTER title DROP NOT NULL, DROP CONSTRAINT tasks_pkey');
      onTestFinished(async () => {
        await course.sql('ALTER TABLE tasks ALTER title SET NOT NULL, ADD PRIMARY KEY (id)');
      });
      const report = await course.check({ only: lookAtContainers });
      expect(differences(report, ['database.constraints'])).toEqual([]);
      expect(
        report.results.find(({ check }) => check.id === 'database.constraints')?.seen,
      ).toHaveLength(2);
    });

    it('a column that is missing', async () => {
      await course.sql('ALTER TABLE tasks RENAME created_at TO made');
      onTestFinished(async () => {
        await course.sql('ALTER TABLE tasks RENAME made TO created_at');
      });
      const report = await course.check({ only: lookAtContainers });
      expect(differences(report, ['database.table'], ['database.seed'])).toEqual([]);
    });
  });

  describe('its passwords in production', () => {
    const only = ['database.published-passwords'];
    const production = { files: ['compose.yml', 'compose.prod.yml'] };
    const login = async (name: string, password: string) => {
      const create = `CREATE ROLE ${name} LOGIN PASSWORD '${password}'`;
      await course.sql(`SET password_encryption = 'md5'; ${create}`);
      onTestFinished(async () => {
        await course.sql(`DROP ROLE ${name}`);
      });
    };
    const nothingInTheExample = () =>
      course.edit('.env.example', 'PASSWORD=change-me', 'PASSWORD=');

    it('pass when nobody has published them', async () => {
      nothingInTheExample();
      const report = await course.check({ only }, production);
      expect(idsOf(report, 'passed')).toEqual(only);
    });

    it.each<[what: string, change: () => Promise<void> | void, seen: string[]]>([
      [
        'that of .env.example, with a new hash and an old one',
        () => login('reader', 'change-me'),
        [
          'reader has the password from POSTGRES_PASSWORD in .env.example',
          'taskapp has the password from POSTGRES_PASSWORD in .env.example',
        ],
      ],
      [
        'that of a login which an init file makes',
        () => {
          nothingInTheExample();
          course.write('db/init/02_roles.sql', "CREATE ROLE reader LOGIN PASSWORD 'read';\n");
          onTestFinished(() => rmSync(join(course.directory, 'db/init/02_roles.sql')));
          return login('reader', 'read');
        },
        ['reader has the password from 02_roles.sql'],
      ],
      [
        'that of a Compose file',
        () => {
          nothingInTheExample();
          const services = 'x-admin: ${ADMIN_PASSWORD:-lab-only}\nservices:';
          course.edit('compose.prod.yml', 'services:', services);
          return login('admin', 'lab-only');
        },
        ['admin has the password from ADMIN_PASSWORD in compose.prod.yml'],
      ],
    ])('%s', async (_what, change, seen) => {
      await change();
      const { results } = await course.check({ only }, production);
      expect(results.flatMap((result) => result.seen).toSorted()).toEqual(seen);
    });

    it('are looked at when .env alone says that this is production', async () => {
      const { '.env': settings = '' } = Object.fromEntries(pristine);
      course.write('.env', `COMPOSE_FILE=compose.yml:compose.prod.yml\n${settings}`);
      expect(idsOf(await course.check({ only }), 'failed')).toEqual(only);
    });
  });

  describe('its TLS', () => {
    const only = ['health', 'api'];
    afterAll(() => up());

    /** Serves TLS for one name only: a request for another gets 404. Returns the certificate. */
    function serveTls(address: string, name: string, port: number): Buffer {
      const secrets = join(course.directory, 'secrets');
      const make = ['--dir', secrets, '--self-signed', name];
      execFileSync(join(root, 'scripts/make-secrets.sh'), make, { stdio: 'pipe' });
      onTestFinished(() => rmSync(secrets, { recursive: true }));
      const pair = 'ssl_certificate /tls/tls.crt;\nssl_certificate_key /tls/tls.key;\n';
      const others = `server {\nlisten ${port} ssl default_server;\nreturn 404;\n}\n`;
      course.edit(
        'nginx/default.conf',
        'server {',
        `${pair}${others}server {\nlisten ${port} ssl;`,
      );
      course.edit('nginx/default.conf', 'localhost 127.0.0.1;', `${name};`);
      course.editService('web', '- ${HTTP_PORT:-80}:80', `- "${address}:0:${port}"`);
      course.editService('web', '    volumes:\n', '    volumes:\n      - ./secrets:/tls:ro\n');
      return readFileSync(join(secrets, 'tls.crt'));
    }

    it.each([
      ['127.0.0.1', 'localhost', 443],
      ['[::1]', 'localhost', 443],
      ['0.0.0.0', 'tasks.example.org', 9000],
      ['127.0.0.1', '192.0.2.7', 443],
    ])('on %s, with a certificate for %s: every check is run', async (address, name, port) => {
      const ca = serveTls(address, name, port);
      await up();
      const report = await course.check({ only }, { trust: { ca } });
      expect(differences(report, [])).toEqual([]);
      // The certificate is still checked: no known authority has signed it.
      expect(idsOf(await course.check({ only: ['health'] }), 'failed')).toEqual(['health.answers']);
    });
  });

  describe('with --destructive', () => {
    const destructive = true;
    const restore = async () => {
      writePristine();
      await restarted(); // `up` gives up at once on an API that counts as unhealthy
      await up();
      await restarted(); // it may be another container now
    };

    it.each<[what: string, from: string, to: string, failed: string[], notRun?: string[]]>([
      [
        'a health check without the database',
        "await query('SELECT 1 FROM tasks LIMIT 1');",
        '',
        ['health.database-down'],
        ['health.unhealthy'],
      ],
      [
        'an API that does not connect again',
        "await query('SELECT 1 FROM tasks LIMIT 1');",
        [
          'if (globalThis.broken) throw new Error();',
          "      await query('SELECT 1 FROM tasks LIMIT 1').catch((error) => {",
          '        globalThis.broken = true;',
          '        throw error;',
          '      });',
        ].join('\n'),
        ['health.recovers'],
      ],
    ])('%s', async (_what, from, to, failed, notRun = []) => {
      course.edit('api/server.js', from, to);
      onTestFinished(restore);
      await restarted();
      const rows = await tasks();
      const report = await course.check({ only: ['health'], destructive });
      expect(differences(report, failed, notRun)).toEqual([]);
      expect(await tasks()).toBe(rows);
      // Verify has restarted the API.
      expect(differences(await course.check({ only: ['health'] }), [])).toEqual([]);
    });

    it('/nginx-health that asks the API', async () => {
      course.edit(
        'nginx/default.conf',
        'return 200 "healthy\\n";',
        'proxy_pass http://api:8080/healthz;',
      );
      onTestFinished(async () => {
        writePristine();
        await course.reloadNginx();
      });
      await course.reloadNginx();
      expect(
        differences(await course.check({ only: ['health'], destructive }), ['health.nginx-alone']),
      ).toEqual([]);
    });

    it('an API that keeps a lock on the table', async () => {
      course.edit(
        'api/server.js',
        'async function handle(',
        [
          'const client = await pool.connect();',
          "await client.query('BEGIN');",
          "await client.query('SELECT 1 FROM tasks');",
          '',
          'async function handle(',
        ].join('\n'),
      );
      onTestFinished(restore);
      await restarted();
      const rows = await tasks();
      const report = await course.check({ only: ['operations.backup'], destructive });
      expect(differences(report, ['operations.backup'])).toEqual([]);
      expect(await tasks()).toBe(rows);
    });

    it('Ctrl-C while the database is stopped ends the run when it is started again', async () => {
      const ids = await containers();
      const child = spawn(process.execPath, [
        join(root, 'tools/verify/main.ts'),
        '--dir',
        course.directory,
        '-p',
        course.name,
        '--destructive',
        '--only',
        'health.database-down,health.recovers,operations',
      ]);
      onTestFinished(() => void child.kill('SIGKILL'));
      let output = '';
      child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
      await expect
        .poll(() => course.compose('ps', '--status', 'exited', '--services'), { timeout: 30_000 })
        .toContain('db');
      child.kill('SIGINT');
      const [code] = (await once(child, 'close')) as [number];
      expect(code).toBe(1);
      expect(output).toMatch(/operations\.down-up .* not run: interrupted/);
      expect(await containers()).toBe(ids);
      expect(differences(await course.check({ only: ['health'] }), [])).toEqual([]);
    });

    it('an API that exits without its database and stays down, as after a reboot', async () => {
      course.editService('api', '    restart: unless-stopped\n', '');
      course.edit('api/server.js', 'connectionTimeoutMillis: 2000', 'connectionTimeoutMillis: 500');
      course.edit('api/server.js', 'const missing =', "await query('SELECT 1');\nconst missing =");
      onTestFinished(restore);
      await up();
      const report = await course.check({
        only: ['compose.restart', 'operations.reboot'],
        destructive,
      });
      expect(differences(report, ['compose.restart', 'operations.reboot'])).toEqual([]);
      expect(differences(await course.check({ only: ['health'] }), [])).toEqual([]);
    });

    it('refuses to stop a stack that it would not start as it was', async () => {
      const ids = await containers();
      course.editService('api', '    init: true', '    init: true\n    mem_limit: 1g');
      const report = await course.check({ only: ['operations', 'health'], destructive });
      expect(
        differences(
          report,
          [],
          checks
            .filter(({ destructive: stops, id }) => stops && id !== 'operations.backup-script')
            .map(({ id }) => id),
        ),
      ).toEqual([]);
      expect(await containers()).toBe(ids);
    });

    // Last, as `restore` loses the data.
    it('data in an anonymous volume', async () => {
      course.editService('db', 'pgdata:/', '/');
      onTestFinished(restore);
      await up();
      await course.sql("INSERT INTO tasks (title) VALUES ('lost')");
      const report = await course.check({ only: ['volumes', 'operations.down-up'], destructive });
      expect(differences(report, ['volumes.data'], ['operations.down-up'])).toEqual([]);
      expect(await course.sql("SELECT title FROM tasks WHERE title = 'lost'")).toBe('lost\n');
    });
  });

  describe('what cannot be looked at', () => {
    it('a wrong address fails one check, and the others go on', async () => {
      const report = await course.check(
        { only: ['health', 'api', 'volumes'] },
        { url: 'http://127.0.0.1:1' },
      );
      const notRun = [
        'health.nginx',
        'health.healthz',
        ...checks.map(({ id }) => id).filter((id) => id.startsWith('api.')),
      ];
      expect(differences(report, ['health.answers'], notRun)).toEqual([]);
    });

    it('a port that takes connections and never answers costs seconds, not minutes', async () => {
      const silent = createServer().listen(0, '127.0.0.1');
      onTestFinished(() => void silent.close());
      await once(silent, 'listening');
      const { port } = silent.address() as AddressInfo;
      const report = await course.check(
        { only: ['health', 'api', 'database'] },
        { url: `http://127.0.0.1:${port}` },
      );
      expect(idsOf(report, 'failed')).toEqual(['health.answers']);
      expect(report.ms).toBeLessThan(30_000);
    });

    it('a stack that is not up', async () => {
      await course.compose('stop', '--timeout', '2');
      onTestFinished(() => up().then(() => undefined));
      const report = await course.check();
      expect(idsOf(report, 'failed')).toEqual(['health.running']);
      expect(
        report.results.find(({ check }) => check.id === 'health.running')?.seen.join(),
      ).toMatch(/web is exited.*api is exited.*db is exited/);
      const blocked = report.results.find(({ check }) => check.id === 'api.list');
      expect(blocked?.reason).toBe('blocked by health.running');
      expect(idsOf(report, 'passed')).toContain('compose.restart');
    });

    it('no Docker', async () => {
      const report = await course.check({}, { env: { PATH: '/nonexistent' } });
      expect(idsOf(report, 'failed')).toEqual(['compose.model', 'prod.model']);
      expect(report.results.find(({ check }) => check.id === 'compose.model')?.seen).toEqual([
        'the command docker is not installed',
      ]);
      const blocked = report.results.find(({ check }) => check.id === 'health.running');
      expect(blocked?.reason).toBe('blocked by compose.model');
      expect(idsOf(report, 'passed')).toContain('config.env-mode');
    });
  });
});
