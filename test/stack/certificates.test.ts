// nginx/compose.certbot.yml with an ACME server, and the other ways to change the certificate, on
// the booted production stack under a stream of requests.
import { execFile } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import {
  chmodSync,
  copyFileSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { get } from 'node:https';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, inject, it, onTestFinished } from 'vitest';
import { follow, runbook } from '../lib/documents.ts';
import { Load, Script } from '../lib/live.ts';
import { newSecrets, Production } from '../lib/production.ts';
import { docker } from '../lib/stack.ts';

const domain = 'tasks.example.org';
const patience = { timeout: 90_000, interval: 500 };
const pair = { 'tls.crt': 'fullchain.pem', 'tls.key': 'privkey.pem' };
const longer = { timeout: 300_000 };

/** Requests that check the certificate, until `change` has happened. */
async function withoutAFailedRequest(stack: Production, change: () => Promise<void>) {
  const { ca } = await stack.target();
  const load = new Load({ ...(await stack.server()), ca, servername: domain });
  await change();
  await load.stop();
  expect(load.failures).toEqual([]);
  expect(load.sent).toBeGreaterThan(100);
}

/** What a new client is shown, checked or not. */
async function shown(stack: Production): Promise<X509Certificate> {
  const { host, port } = await stack.target();
  const socket = connect({ host, port, servername: domain, rejectUnauthorized: false });
  const { promise, resolve, reject } = Promise.withResolvers<X509Certificate | undefined>();
  socket.on('secureConnect', () => resolve(socket.getPeerX509Certificate())).on('error', reject);
  const certificate = await promise.finally(() => socket.destroy());
  if (!certificate) throw new Error('no certificate was shown');
  return certificate;
}
const serial = async (stack: Production) => (await shown(stack)).serialNumber;
/** Runs commands of the runbook about an expired certificate. */
function followed(stack: Production, ...words: string[]): Promise<string> {
  const commands = runbook('Certificate expired', ...words)
    .replaceAll('secrets/', `${stack.secrets}/`)
    .replaceAll('new.', `${stack.secrets}/new.`);
  return follow(commands, stack.directory, settings(stack));
}
/** What makes a plain `docker compose`, or a script, use this stack. */
const settings = ({ env, project, files }: Production) => ({
  ...env,
  COMPOSE_PROJECT_NAME: project,
  COMPOSE_FILE: files.join(':'),
});
const serialIn = (file: string) => new X509Certificate(readFileSync(file)).serialNumber;

/** The production stack whose first certificate is for the domain. */
class Site extends Production {
  constructor(options: ConstructorParameters<typeof Production>[0], authority = '') {
    super(options);
    for (const name of ['tls.crt', 'tls.key']) rmSync(join(this.secrets, name));
    const own = newSecrets(domain);
    for (const name of ['tls.crt', 'tls.key'])
      renameSync(join(own, name), join(this.secrets, name));
    rmSync(own, { recursive: true });
    this.authority = authority;
  }

  /** What else its clients trust. */
  authority: string;

  override async target() {
    const ca = readFileSync(join(this.secrets, 'tls.crt'), 'utf8') + this.authority;
    return { ...(await super.target()), servername: domain, ca: Buffer.from(ca) };
  }
}

describe.skipIf(inject('notRunBecause'))('a certificate from an ACME server', () => {
  const files = ['nginx/compose.certbot.yml', 'test/stack/certificates/compose.yml'];
  const pebble = newSecrets('pebble');
  const network = () => `${stack.project}_acme`;
  const inCertbot = (...command: string[]) => stack.compose('exec', '-T', 'certbot', ...command);
  const health = async () => (await stack.inspect('certbot')).State.Health?.Status;
  // Without a terminal, certbot would wait for minutes before it renews.
  const renew = ['certbot', 'renew', '--force-renewal', '--no-random-sleep-on-renew'];
  let stack: Site;

  /** What pebble says to those who run it. */
  async function askPebble(path: string): Promise<string> {
    const port = (await stack.compose('port', 'pebble', '15000')).trim().split(':').at(-1);
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    const options = {
      host: '127.0.0.1',
      port,
      path,
      servername: 'pebble',
      ca: readFileSync(join(pebble, 'tls.crt')),
    };
    get(options, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk)).on('error', reject);
      response.on('end', () => resolve(Buffer.concat(chunks).toString()));
    }).on('error', reject);
    return promise;
  }

  beforeAll(async () => {
    const env = {
      ACME_DOMAINS: domain,
      ACME_EMAIL: 'ops@example.org',
      ACME_SERVER: 'https://pebble:14000/dir',
      CERTIFICATES_TEST: pebble,
    };
    stack = new Site({ files, env });
    await stack.nameImages();
    await stack.compose('up', '-d', '--wait', 'web', 'pebble');
    stack.authority = await askPebble('/roots/0'); // which it made when it started
  });
  afterAll(async () => {
    await stack.remove();
    rmSync(pebble, { recursive: true });
  });

  it('replaces the self-signed one of the first start, and no request fails', async () => {
    const first = await shown(stack);
    expect(first.issuer).toBe(first.subject);
    await withoutAFailedRequest(stack, async () => {
      await stack.compose('up', '-d', '--wait', 'certbot');
      await expect.poll(async () => (await shown(stack)).issuer, patience).toMatch(/Pebble/);
    });
    expect((await shown(stack)).subjectAltName).toBe(`DNS:${domain}`);
    expect((await stack.https('/api/tasks')).status).toBe(200); // checks the certificate
  });

  it('is asked for without a right, and its key is for nginx alone', async () => {
    const { Config, HostConfig } = await stack.inspect('certbot');
    expect(Config.User).toBe('101:101');
    expect(HostConfig).toMatchObject({ ReadonlyRootfs: true, CapDrop: ['ALL'] });
    expect(HostConfig.SecurityOpt).toEqual(['no-new-privileges:true']);
    const list = ['-c', 'stat -Lc "%a %u" /etc/certificates /etc/certificates/live/*/privkey.pem'];
    expect(await stack.compose('exec', '-T', 'web', 'sh', ...list)).toBe('700 101\n600 101\n');
    const write = ['exec', '-T', 'web', 'touch', '/etc/certificates/x'];
    await expect(stack.compose(...write)).rejects.toThrow('Read-only file system');
  });

  it('leaves port 80 a redirect, except where the ACME server asks', async () => {
    const url = `http://127.0.0.1:${await stack.port(80)}`;
    const ask = (path: string, method = 'GET') =>
      fetch(`${url}${path}`, { method, redirect: 'manual' });
    const challenge = '/.well-known/acme-challenge/';
    const directory = `/etc/letsencrypt/webroot${challenge}`;
    await inCertbot('sh', '-c', `mkdir -p ${directory} && echo a >${directory}x`);
    expect(await (await ask(`${challenge}x`)).text()).toBe('a\n');
    expect((await ask(`${challenge}y`)).status).toBe(404);
    expect((await ask(`${challenge}x`, 'POST')).status).toBe(405);
    const outside = [`${challenge}..%2f..%2flive/taskapp/privkey.pem`, '/live/taskapp/'];
    for (const path of [...outside, '/', '/.well-known/', '/.well-known/security.txt'])
      expect([path, (await ask(path)).status]).toEqual([path, 308]);
  });

  it('is renewed by the commands of the documents, and no request fails', async () => {
    const before = await serial(stack);
    expect(await followed(stack, 'readlink')).toBe(
      '/etc/certificates/live/taskapp/fullchain.pem\n',
    );
    await withoutAFailedRequest(stack, async () => {
      await followed(stack, 'certbot renew');
      await expect.poll(() => serial(stack), patience).not.toBe(before);
    });
    expect((await shown(stack)).issuer).toMatch(/Pebble/);
    expect((await stack.inspect('web')).RestartCount).toBe(0);
  });

  it('is revoked and replaced when its key has leaked, by the commands of the runbook', async () => {
    const leaked = await shown(stack);
    const status = () => askPebble(`/cert-status-by-serial/${leaked.serialNumber.toLowerCase()}`);
    expect(JSON.parse(await status())).toMatchObject({ Status: 'Valid' });
    const commands = runbook('Leaked token or password', 'certbot revoke');
    await withoutAFailedRequest(stack, async () => {
      await follow(commands, stack.directory, settings(stack));
      await expect.poll(() => serial(stack), patience).not.toBe(leaked.serialNumber);
    });
    expect(JSON.parse(await status())).toMatchObject({ Status: 'Revoked', Reason: 1 });
    expect((await shown(stack)).publicKey.equals(leaked.publicKey)).toBe(false);
  });

  it('is renewed by itself when it is due, and the token is sent only to its holder', async () => {
    const before = await serial(stack);
    const due = `sed -i '1i renew_before_expiry = 36500 days' /etc/letsencrypt/renewal/taskapp.conf`;
    await inCertbot('sh', '-c', due);
    await withoutAFailedRequest(stack, async () => {
      await stack.compose('restart', 'certbot');
      await expect.poll(() => serial(stack), patience).not.toBe(before);
    });
    await expect.poll(health, patience).toBe('healthy');
    expect(await checkHealth()).toMatch(/\[OK\] +\/api\/tasks\?limit=1: 200/);
    expect(await checkHealth()).toMatch(/\[OK\] +certbot-1: running, healthy/);
  });

  it('stays while the ACME server is away, and check-health.sh says so', longer, async () => {
    const before = await serial(stack);
    const pebbleContainer = `${stack.project}-pebble-1`;
    await docker('network', 'disconnect', network(), pebbleContainer);
    try {
      await expect(inCertbot(...renew)).rejects.toMatchObject({ code: 1 });
      await withoutAFailedRequest(stack, async () => {
        await stack.compose('restart', 'certbot');
        await expect.poll(health, patience).toBe('unhealthy');
      });
      expect(await serial(stack)).toBe(before);
      const log = await stack.compose('logs', 'certbot');
      expect(log).toContain('taskapp certbot: cannot renew the certificate; next try in an hour');
      expect(await checkHealth()).toMatch(
        /\[FAIL\] +certbot-1: running, but unhealthy: cannot renew the certificate; see docker/,
      );
    } finally {
      await docker('network', 'connect', '--alias', 'pebble', network(), pebbleContainer);
    }
    await stack.compose('restart', 'certbot');
    await expect.poll(health, patience).toBe('healthy');
    await expect.poll(() => serial(stack), patience).not.toBe(before);
  });

  it('gets another domain when ACME_DOMAINS does', async () => {
    stack.env.ACME_DOMAINS = `${domain},www.${domain}`;
    await stack.compose('up', '-d', '--wait', 'certbot');
    const names = async () => (await shown(stack)).subjectAltName;
    await expect.poll(names, patience).toBe(`DNS:${domain}, DNS:www.${domain}`);
  });

  async function checkHealth(): Promise<string> {
    return (await new Script(stack.directory, settings(stack), 'check-health.sh').ended).output;
  }
});

describe.skipIf(inject('notRunBecause'))('a certificate of your own', () => {
  it('in CERTIFICATE_DIR is seen when it is replaced, and a wrong one is refused', async () => {
    const stack = new Site({});
    const directory = mkdtempSync(join(stack.secrets, 'tls-'));
    stack.env.CERTIFICATE_DIR = directory;
    chmodSync(directory, 0o755);
    /** Puts a new pair there, or only its certificate, each file renamed over the old one. */
    const replace = (names: Record<string, string>): string => {
      const made = newSecrets(domain);
      const added = serialIn(join(made, 'tls.crt'));
      stack.authority += readFileSync(join(made, 'tls.crt'), 'utf8');
      for (const [from, to] of Object.entries(names)) {
        copyFileSync(join(made, from), join(directory, 'part'));
        chmodSync(join(directory, 'part'), 0o444);
        renameSync(join(directory, 'part'), join(directory, to));
      }
      rmSync(made, { recursive: true });
      return added;
    };
    try {
      const first = replace(pair);
      await stack.up();
      expect(await serial(stack)).toBe(first);
      const second = replace(pair);
      await withoutAFailedRequest(stack, async () => {
        await expect.poll(() => serial(stack), patience).toBe(second);
      });
      replace({ 'tls.crt': 'fullchain.pem' }); // without its key
      const log = async () => (await stack.logStreams('web')).stderr;
      const refusal = 'the new certificate cannot be used, see above; the old one stays in use';
      await expect.poll(log, patience).toContain(refusal);
      expect(await log()).toContain('key values mismatch');
      expect(await serial(stack)).toBe(second);
    } finally {
      await stack.remove();
    }
  });

  it('in secrets/ is seen when it is written anew as documented, or web recreated', async () => {
    const stack = new Site({});
    const names = ['tls.crt', 'tls.key'];
    const path = (name: string) => join(stack.secrets, name);
    try {
      await stack.up();
      expect(await serial(stack)).toBe(serialIn(path('tls.crt')));
      const made = newSecrets(domain);
      stack.authority = readFileSync(join(made, 'tls.crt'), 'utf8');
      await withoutAFailedRequest(stack, async () => {
        for (const name of names) copyFileSync(join(made, name), path(name.replace('tls', 'new')));
        const used = await followed(stack, 'readlink', 'cat new.crt');
        expect(used).toBe('/run/secrets/tls_certificate\n');
        await expect.poll(() => serial(stack), patience).toBe(serialIn(join(made, 'tls.crt')));
      });
      expect(await followed(stack, 'grep')).toContain('the certificate has changed');

      const again = newSecrets(domain);
      for (const name of names) renameSync(join(again, name), path(name));
      await stack.compose('up', '-d', '--wait', '--force-recreate', 'web');
      stack.forgetTarget();
      expect(await serial(stack)).toBe(serialIn(path('tls.crt')));
      for (const directory of [made, again]) rmSync(directory, { recursive: true });
    } finally {
      await stack.remove();
    }
  });
});

describe.skipIf(inject('notRunBecause'))('nginx without the other services', () => {
  /** Starts it with a certificate in secrets/, and with this directory of certificates. */
  class Nginx {
    readonly directory: string;
    readonly #secrets = newSecrets(domain);
    #id = '';

    constructor() {
      this.directory = mkdtempSync(join(this.#secrets, 'tls-'));
      chmodSync(this.directory, 0o755);
      onTestFinished(async () => {
        await docker('rm', '--force', '--volumes', this.#id);
        rmSync(this.#secrets, { recursive: true });
      });
    }

    async start(): Promise<void> {
      const mounts = [
        `${this.directory}:/etc/certificates:ro`,
        `${join(this.#secrets, 'tls.crt')}:/run/secrets/tls_certificate:ro`,
        `${join(this.#secrets, 'tls.key')}:/run/secrets/tls_key:ro`,
      ].flatMap((mount) => ['--volume', mount]);
      const sysctl = ['--sysctl', 'net.ipv4.ip_unprivileged_port_start=0'];
      const options = ['--detach', '--env', 'TLS=on', ...sysctl, ...mounts];
      this.#id = (await docker('run', ...options, `${inject('images')}-web`)).trim();
    }

    /** Puts a new pair into the directory. */
    replace(): void {
      const made = newSecrets(domain);
      for (const [from, to] of Object.entries(pair)) {
        copyFileSync(join(made, from), join(this.directory, 'part'));
        chmodSync(join(this.directory, 'part'), 0o444);
        renameSync(join(this.directory, 'part'), join(this.directory, to));
      }
      rmSync(made, { recursive: true });
    }

    exec = (...command: string[]) => docker('exec', this.#id, ...command);
    exitCode = async () => Number(await docker('wait', this.#id));
    log = async () => (await promisify(execFile)('docker', ['logs', this.#id])).stderr;
  }

  it.each([
    [
      'a link that leads out of the container',
      (directory: string) => symlinkSync('/srv/fullchain.pem', join(directory, 'fullchain.pem')),
      '/etc/certificates/fullchain.pem cannot be read; is it there, with mode 0444?',
    ],
    [
      'a directory that it may not enter',
      (directory: string) => chmodSync(directory, 0o700),
      '/etc/certificates cannot be read; CERTIFICATE_DIR needs mode 0755',
    ],
  ])('refuses %s', async (_what, change, message) => {
    const nginx = new Nginx();
    change(nginx.directory);
    await nginx.start();
    await expect.poll(nginx.log, { timeout: 20_000 }).toContain(message);
    expect(await nginx.exitCode()).toBe(1);
  });

  it('tries again what failed for another reason, and says so once', longer, async () => {
    const nginx = new Nginx();
    nginx.replace();
    await nginx.start();
    await expect.poll(() => nginx.exec('cat', '/tmp/nginx.pid'), patience).not.toBe('');
    await nginx.exec('mv', '/tmp/nginx.pid', '/tmp/aside');
    nginx.replace();
    const refusals = async () => (await nginx.log()).split('cannot be used, see above').length - 1;
    await expect.poll(refusals, patience).toBe(1);
    // Each look makes the link anew.
    const look = () => nginx.exec('stat', '-c', '%i %Z', '/tmp/tls.crt');
    const before = await look();
    await expect.poll(look, patience).not.toBe(before);
    const next = await look();
    await expect.poll(look, patience).not.toBe(next);
    expect(await refusals()).toBe(1);

    await nginx.exec('mv', '/tmp/aside', '/tmp/nginx.pid');
    await expect.poll(nginx.log, patience).toContain('new connections get the new one');
  });
});
