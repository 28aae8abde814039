// The production stack: what is secret stays so, TLS, the API token, limits.
import { execFileSync } from 'node:child_process';
import { chmodSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls';
import { afterAll, beforeAll, describe, expect, inject, it, onTestFinished } from 'vitest';
import { verify } from '../../tools/verify/run.ts';
import { differences, idsOf } from '../../tools/verify/test/expected.ts';
import { follow, runbook } from '../lib/documents.ts';
import { makeSecrets, newSecrets, Production } from '../lib/production.ts';
import { docker, Stack, untilAllowed } from '../lib/stack.ts';

const secretNames = [
  'postgres_password',
  'db_pass',
  'api_token',
  'monitor_pass',
  'grafana_password',
  'replication_password',
  'patroni_password',
];

describe.skipIf(inject('notRunBecause'))('scripts/make-secrets.sh', () => {
  it('makes strong secrets once, in a directory for the owner alone', () => {
    const directory = newSecrets();
    onTestFinished(() => rmSync(directory, { recursive: true }));
    const read = () =>
      [...secretNames, 'tls.key'].map((name) => readFileSync(join(directory, name), 'utf8'));
    const first = read();
    expect(new Set(first).size).toBe(secretNames.length + 1);
    for (const secret of first.slice(0, -1)) expect(secret).toMatch(/^[\w-]{43}$/);
    const modes = execFileSync('stat', ['-c', '%a %n', '.', 'db_pass', 'tls.key'], {
      cwd: directory,
    }).toString();
    expect(modes).toBe('700 .\n444 db_pass\n444 tls.key\n');

    makeSecrets(directory);
    expect(read()).toEqual(first);
  });
});

describe.skipIf(inject('notRunBecause'))('the production stack', () => {
  let stack: Production;
  let secrets: string;

  beforeAll(async () => {
    stack = new Production();
    secrets = stack.secrets;
    await stack.up();
  }, 180_000);
  afterAll(() => stack.remove());

  const https: Production['https'] = (path, call) => stack.https(path, call);
  const port = (inside: number) => stack.port(inside);
  /** After a change of its environment. */
  const recreateWeb = async () => {
    await stack.compose('up', '-d', '--wait', '--no-deps', 'web');
    stack.forgetTarget();
  };

  it('passes every check of npm run verify, those that stop and start it included', async () => {
    const project = stack.asProject({
      token: stack.token,
      trust: { ca: readFileSync(join(secrets, 'tls.crt')) },
      mayRunScripts: true,
    });
    const before = (await https('/api/tasks')).text;
    const report = await verify(project, { destructive: true });
    stack.forgetTarget();
    expect(differences(report, [])).toEqual([]);
    const skipped = report.results
      .filter(({ outcome }) => outcome === 'skipped')
      .map(({ check }) => check.id);
    expect(
      skipped.filter(
        (id) => !['files.env-ignored', 'files.secrets-ignored', 'config.env-mode'].includes(id),
      ),
    ).toEqual([]);
    expect((await https('/api/tasks')).text).toBe(before);
  }, 240_000);

  it('lets npm run verify name an untrusted certificate and a missing token', async () => {
    const untrusted = await verify(stack.asProject(), { only: ['health'] });
    expect(differences(untrusted, ['health.answers'], ['health.nginx', 'health.healthz'])).toEqual(
      [],
    );
    expect(untrusted.results.find(({ check }) => check.id === 'health.answers')?.seen[0]).toMatch(
      /^https:.*self-signed certificate/,
    );
    const withoutToken = await verify(stack.asProject({ trust: { insecure: true } }), {
      only: ['api'],
    });
    expect(idsOf(withoutToken, 'failed')).toEqual([]);
    expect(withoutToken.results.find(({ check }) => check.id === 'api.list')?.reason).toBe(
      'the API wants a token: set VERIFY_TOKEN',
    );
  });

  it('runs without privileges, with a read-only root and with limits, and serves', async () => {
    for (const service of ['web', 'api', 'db']) {
      const { HostConfig, Config } = await stack.inspect(service);
      expect(HostConfig.Init).toBe(true);
      expect(HostConfig.ReadonlyRootfs).toBe(true);
      expect(HostConfig.CapDrop).toEqual(['ALL']);
      expect(HostConfig.SecurityOpt).toContain('no-new-privileges:true');
      expect(HostConfig.Memory).toBeGreaterThan(0);
      expect(HostConfig.NanoCpus).toBeGreaterThan(0);
      expect(HostConfig.PidsLimit).toBeGreaterThan(0);
      expect(Config.User).toMatch(/^(nginx|node|postgres)$/);
    }
    const created = await https('/api/tasks', {
      body: '{"title":"hardened"}',
      headers: { 'Content-Type': 'application/json' },
    });
    expect(created.status).toBe(201);
    expect(
      (JSON.parse((await https('/api/tasks')).text) as { tasks: unknown[] }).tasks,
    ).toHaveLength(6);
  });

  it('lets each nginx worker open all its files, whatever limit the engine sets', async () => {
    const script = `
      cd /proc
      for pid in [0-9]*; do
        grep -q '^nginx: worker' $pid/cmdline && cat $pid/limits
      done
      true`;
    const limits = await stack.compose('exec', '-T', 'web', 'sh', '-c', script);
    const soft = [...limits.matchAll(/^Max open files +(\d+)/gm)].map(([, files]) => Number(files));
    expect(new Set(soft)).toEqual(new Set([2 * 8192]));
  });

  it('has two replicas of the API', async () => {
    expect((await stack.compose('ps', '--quiet', 'api')).trim().split('\n')).toHaveLength(2);
  });

  it('shows its secrets nowhere but in their files', async () => {
    const hidden = secretNames.map((name) => readFileSync(join(secrets, name), 'utf8'));
    const seen: Record<string, string> = {
      config: await stack.compose('config'),
      logs: await stack.compose('logs', '--no-color'),
    };
    for (const id of (await stack.compose('ps', '--all', '--quiet')).trim().split('\n')) {
      const image = (await docker('inspect', '--format', '{{.Image}}', id)).trim();
      seen[`inspect ${id}`] = await docker('inspect', id);
      seen[`inspect ${image}`] = await docker('image', 'inspect', image);
      seen[`history ${image}`] = await docker('history', '--no-trunc', image);
      const read = 'cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline 2>/dev/null || true';
      seen[`processes ${id}`] = await docker('exec', id, 'sh', '-c', read);
    }
    for (const [where, text] of Object.entries(seen)) {
      expect([where, text.length > 0]).toEqual([where, true]);
      expect([where, hidden.filter((secret) => text.includes(secret))]).toEqual([where, []]);
    }
    const environments = Object.entries(seen)
      .filter(([where]) => where.startsWith('processes'))
      .map(([, text]) => text);
    // The search did see the environments.
    expect(environments.filter((text) => text.includes('DB_PASS_FILE=')).length).toBe(3);
    expect(await stack.compose('exec', '-T', 'api', 'cat', '/run/secrets/db_pass')).toBe(hidden[1]);
  });

  it('logs a request once, in nginx; the API logs what failed, under the same id', async () => {
    const rename = (from: string, to: string) => stack.sql(`ALTER TABLE ${from} RENAME TO ${to}`);
    const linesWith = async (id: string) => {
      const log = await stack.compose('logs', '--no-color', '--no-log-prefix', 'web', 'api');
      const lines = log.split('\n').filter((line) => line.includes(id));
      return lines.map((line) => JSON.parse(line.slice(line.indexOf('{'))) as object);
    };
    const nginxFirst = (a: object, b: object) => Number('level' in a) - Number('level' in b);
    const ask = async (path: string) => {
      const request_id = crypto.randomUUID();
      const { status, headers } = await https(path, { headers: { 'X-Request-Id': request_id } });
      const replica = headers['x-served-by'];
      expect(replica).toMatch(/^[0-9a-f]{12}$/);
      return { request_id, status, replica };
    };
    const list = await ask('/api/tasks?limit=1');
    const health = await ask('/healthz');
    await rename('tasks', 'tasks_of_before');
    const failed = await ask('/api/tasks/1');
    await rename('tasks_of_before', 'tasks');
    expect([list.status, health.status, failed.status]).toEqual([200, 200, 503]);

    const both = { api_timing: expect.stringMatching(/^api;dur=[\d.]+, db;dur=[\d.]+$/) as string };
    const alone = { api_timing: expect.stringMatching(/^api;dur=[\d.]+$/) as string };
    await expect
      .poll(
        async () => [
          await linesWith(list.request_id),
          await linesWith(health.request_id),
          (await linesWith(failed.request_id)).toSorted(nginxFirst),
        ],
        { timeout: 5_000 },
      )
      .toMatchObject([
        [{ ...list, ...both }],
        [{ ...health, api_timing: '' }],
        [
          { ...failed, ...alone },
          { level: 'error', request_id: failed.request_id, res: { status: 503 } },
        ],
      ]);
  });

  it('wants the API token for /api, and for nothing else', async () => {
    const refused = await https('/api/tasks', { headers: { Authorization: 'Bearer wrong' } });
    expect(refused.status).toBe(401);
    expect(refused.headers['www-authenticate']).toBe('Bearer realm="taskapp"');
    expect((await https('/healthz', { headers: { Authorization: '' } })).text).toBe(
      '{"status":"healthy"}',
    );
  });

  it('redirects port 80 to https, the method kept, and serves nothing there', async () => {
    const url = `http://127.0.0.1:${await port(80)}`;
    for (const method of ['GET', 'POST']) {
      const response = await fetch(`${url}/api/tasks?limit=1`, { method, redirect: 'manual' });
      expect(response.status).toBe(308);
      // The published port is random here, and nginx was told that it is 0.
      expect(response.headers.get('location')).toBe('https://127.0.0.1:0/api/tasks?limit=1');
    }
    expect((await fetch(`${url}/nginx-health`)).status).toBe(200);
  });

  it('speaks TLS 1.2, TLS 1.3 and HTTP/2, without session tickets and with HSTS', async () => {
    const handshake = async (options: ConnectionOptions): Promise<TLSSocket> => {
      const socket = connect({
        host: '127.0.0.1',
        port: await port(443),
        servername: 'localhost',
        rejectUnauthorized: false,
        ...options,
      });
      onTestFinished(() => void socket.destroy());
      return new Promise((resolve, reject) =>
        socket.on('secureConnect', () => resolve(socket)).on('error', reject),
      );
    };
    const only = (version: 'TLSv1.1' | 'TLSv1.2' | 'TLSv1.3') => ({
      minVersion: version,
      maxVersion: version,
    });
    expect((await handshake(only('TLSv1.3'))).getProtocol()).toBe('TLSv1.3');
    const socket = await handshake({ ...only('TLSv1.2'), ALPNProtocols: ['h2', 'http/1.1'] });
    expect([socket.getProtocol(), socket.alpnProtocol, socket.getTLSTicket()]).toEqual([
      'TLSv1.2',
      'h2',
      undefined,
    ]);
    await expect(handshake({ ...only('TLSv1.1'), ciphers: 'DEFAULT@SECLEVEL=0' })).rejects.toThrow(
      /alert|protocol/i,
    );
    expect((await https('/')).headers['strict-transport-security']).toBe('max-age=63072000');
  });

  it('answers too many requests with 429, JSON and Retry-After, for a second', async () => {
    stack.env.RATE_LIMIT = '5';
    await recreateWeb();
    const answers = await Promise.all(
      Array.from({ length: 40 }, () => https('/api/tasks?limit=1')),
    );
    const limited = answers.filter(({ status }) => status === 429);
    expect(limited.length).toBeGreaterThan(10);
    expect(answers.filter(({ status }) => status === 200).length).toBeGreaterThan(0);
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200, 429]));
    expect(limited[0]?.text).toBe('{"error":"Too many requests"}');
    expect(limited[0]?.headers['retry-after']).toBe('1');
    await expect
      .poll(async () => (await https('/api/tasks?limit=1')).status, {
        timeout: 5_000,
        interval: 1_100,
      })
      .toBe(200);

    const clients = await followed('uniq -c');
    expect(clients).toMatch(/^ *\d+ "client":"[\d.]+"\n/);

    stack.env.RATE_LIMIT = '0';
    await followed('up -d --wait web');
    stack.forgetTarget();
    const free = await Promise.all(Array.from({ length: 40 }, () => https('/api/tasks?limit=1')));
    expect(free.filter(({ status }) => status !== 200)).toEqual([]);
  });

  it('takes a third replica, by the command of the runbook', async () => {
    const before = (await stack.inspectAll('api')).map(({ Id }) => Id);
    expect(await followed('docker stats')).toContain(`${stack.project}-api-1`);
    await followed('--scale');
    const after = (await stack.inspectAll('api')).map(({ Id }) => Id);
    expect(after).toHaveLength(3);
    expect(after).toEqual(expect.arrayContaining(before));
    const servedBy = async () => (await https('/api/tasks?limit=1')).headers['x-served-by'];
    const added = after.find((id) => !before.includes(id)) ?? '';
    await expect.poll(servedBy, { timeout: 20_000 }).toBe(added.slice(0, 12));
    await stack.compose('up', '-d', '--no-recreate', '--wait', 'api');
  });

  /** Runs a command of the runbook about much traffic. */
  function followed(words: string): Promise<string> {
    const settings = { COMPOSE_PROJECT_NAME: stack.project, COMPOSE_FILE: stack.files.join(':') };
    const commands = runbook('Ten times the traffic', words);
    return follow(commands, stack.directory, { ...stack.env, ...settings });
  }

  it('does not start with a wrong setting or certificate, and says why', async () => {
    const logOfFailure = async () => {
      await expect(
        stack.compose('up', '-d', '--wait', '--wait-timeout', '20', '--no-deps', 'web'),
      ).rejects.toThrow('Command failed');
      await expect(
        fetch(`http://127.0.0.1:${await port(80).catch(() => 1)}/api/tasks`, {
          redirect: 'manual',
        }),
      ).rejects.toThrow('fetch failed');
      const { stderr } = await stack.logStreams('web');
      return stderr;
    };
    // Fails for a moment while the engine is restarting the container.
    const removeWeb = () => untilAllowed(() => stack.compose('rm', '--force', '--stop', 'web'));

    stack.env.RATE_LIMIT = 'many';
    expect(await logOfFailure()).toContain("taskapp web: RATE_LIMIT is 'many'; use a whole number");
    stack.env.RATE_LIMIT = '0';

    const other = newSecrets();
    onTestFinished(() => rmSync(other, { recursive: true }));
    renameSync(join(other, 'tls.key'), join(secrets, 'tls.key')); // not the certificate's
    await removeWeb();
    expect(await logOfFailure()).toMatch(/key values mismatch/);

    chmodSync(secrets, 0o700);
    rmSync(join(secrets, 'tls.key'));
    await removeWeb();
    await expect(stack.compose('up', '-d', '--no-deps', 'web')).rejects.toThrow(/tls\.key/);
  });
});

describe.skipIf(inject('notRunBecause'))(
  'the production stack behind a proxy that ends TLS',
  () => {
    it('serves by HTTP, without a certificate, and takes the client from the proxy', async () => {
      // This test acts as the proxy: nginx sees the address of Docker's gateway.
      const trusted = '10.0.0.0/8 172.16.0.0/12 192.168.0.0/16';
      const env = { HTTP_BIND: '127.0.0.1', TRUSTED_PROXIES: trusted };
      const stack = new Production({ files: ['nginx/compose.proxy.yml'], env });
      onTestFinished(() => stack.remove());
      for (const name of ['tls.crt', 'tls.key']) rmSync(join(stack.secrets, name));
      await stack.up();
      const headers = { 'X-Forwarded-For': '203.0.113.9', 'X-Forwarded-Proto': 'https' };
      const response = await stack.fetch('/healthz', { headers, redirect: 'manual' });
      expect([response.status, await response.text()]).toEqual([200, '{"status":"healthy"}']);
      expect(response.headers.get('strict-transport-security')).toBe('max-age=63072000');
      expect((await stack.inspect('web')).NetworkSettings.Ports['443/tcp']).toBeFalsy(); // shut
      const log = async () => (await stack.log('web')).join('\n');
      await expect.poll(log, { timeout: 5_000 }).toContain('"client":"203.0.113.9"');
    });
  },
);

describe.skipIf(inject('notRunBecause'))('a missing setting of production', () => {
  it('TAG stops up and is named', async () => {
    const stack = new Stack({ files: ['compose.yml', 'compose.prod.yml'], env: { TAG: '' } });
    await expect(stack.compose('up', '-d')).rejects.toThrow(
      'required variable TAG is missing a value: set it in .env.prod',
    );
  });
});
