// scripts/provision.sh in a container of each distribution that this machine can get: refused, dry
// run, first run, second run.
import { execFile, execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it, type TestContext } from 'vitest';
import { root } from '../lib/copy.ts';

interface Distribution {
  name: string;
  image: string;
  /** Where no registry has the image: a root file system of the distribution's packages. */
  packages?: { suite: string; keyring: string; components: string };
  /** Scripts of provision/, each with its arguments. */
  setUp: [script: string, ...args: string[]][];
  arguments: string[];
  environment?: Record<string, string>;
  /** Whether the provisioned machine is also booted, with systemd as its first process. */
  boots?: boolean;
}

const debian = (suite: string) => ({
  suite,
  keyring: '/usr/share/keyrings/debian-archive-keyring.gpg',
  components: 'main',
});

const distributions: Distribution[] = [
  {
    name: 'Debian 13',
    image: 'debian:trixie-slim',
    packages: debian('trixie'),
    setUp: [['debian.sh', 'iproute2']],
    arguments: ['--docker-from', 'distribution'],
    boots: true,
  },
  {
    name: 'Debian 12',
    image: 'debian:bookworm-slim',
    packages: debian('bookworm'),
    setUp: [['debian.sh']],
    arguments: ['--without', 'docker'],
  },
  {
    name: 'Ubuntu 24.04',
    image: 'ubuntu:24.04',
    packages: {
      suite: 'noble',
      keyring: '/usr/share/keyrings/ubuntu-archive-keyring.gpg',
      components: 'main,universe',
    },
    setUp: [['debian.sh', 'gpg', 'gpg-agent'], ['docker-repository.sh']],
    arguments: [],
    environment: { DOCKER_REPOSITORY: 'file:///srv/docker' },
  },
  {
    name: 'Rocky Linux 9',
    image: 'rockylinux/rockylinux:9',
    setUp: [['rocky.sh']],
    arguments: [],
  },
  {
    name: 'the steps for Rocky',
    image: 'debian:trixie-slim',
    packages: debian('trixie'),
    setUp: [
      ['debian.sh', 'firewalld', 'openssh-server', 'fail2ban', 'python3-systemd', 'jq'],
      ['like-rocky.sh'],
    ],
    arguments: [],
  },
];

interface Result {
  code: number;
  output: string;
}
function run(command: string, ...args: string[]): Promise<Result> {
  const { promise, resolve } = Promise.withResolvers<Result>();
  execFile(
    command,
    args,
    { maxBuffer: 64 * 1024 * 1024, timeout: 600_000 },
    (error, stdout, stderr) => {
      resolve({ code: error ? Number(error.code ?? 1) : 0, output: stdout + stderr });
    },
  );
  return promise;
}
async function mustRun(command: string, ...args: string[]): Promise<string> {
  const { code, output } = await run(command, ...args);
  if (code !== 0)
    throw new Error(`${command} ${args.join(' ').slice(0, 200)}: ${output.slice(-2_000)}`);
  return output;
}

interface Story {
  skip?: string;
  container: string;
  /** The same machine after a reboot. */
  booted?: string;
  refused: Result;
  dry: Result;
  first: Result;
  second: Result;
  /** What state.sh printed: before, after the refusal, then after each of the runs. */
  states: { before: string; refused: string; dry: string; first: string; second: string };
}

const directory = join(tmpdir(), `taskapp-provision-${crypto.randomUUID().slice(0, 8)}`);
const images: string[] = [];
const containers: string[] = [];
const made = new Map<string, Promise<string | undefined>>();

/** Pulled, or made from the distribution's packages; undefined where neither works. */
async function provideImage({ image, packages }: Distribution): Promise<string | undefined> {
  if ((await run('docker', 'image', 'inspect', image)).code === 0) return image;
  if ((await run('docker', 'pull', '--quiet', image)).code === 0) {
    images.push(image);
    return image;
  }
  if (!packages || process.getuid?.() !== 0 || !existsSync(packages.keyring)) return undefined;
  const name = `taskapp-provision-${crypto.randomUUID().slice(0, 8)}`;
  const tar = join(directory, `${name}.tar`);
  // The mirror may be a snapshot, whose index is out of date.
  const aptOption = 'Acquire::Check-Valid-Until "false"';
  const result = await run(
    'mmdebstrap',
    '--quiet',
    '--variant=minbase',
    '--include=apt',
    '--keyring',
    packages.keyring,
    '--components',
    packages.components,
    '--aptopt',
    aptOption,
    packages.suite,
    tar,
  );
  if (result.code !== 0) return undefined;
  await mustRun('docker', 'import', tar, name);
  rmSync(tar);
  images.push(name);
  return name;
}

const key =
  'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ6sVY0Vq4lqjWQvC2n8kqQzX0vZ4l1m8F3yqk0G0b1P admin';
const provision = '/opt/taskapp/scripts/provision.sh';

async function tell(distribution: Distribution): Promise<Story> {
  const none = { code: 0, output: '' };
  const story: Story = {
    container: '',
    refused: none,
    dry: none,
    first: none,
    second: none,
    states: { before: '', refused: '', dry: '', first: '', second: '' },
  };
  let image = made.get(distribution.image);
  if (!image) made.set(distribution.image, (image = provideImage(distribution)));
  const base = await image;
  if (!base) {
    const needed = `root, mmdebstrap, ${distribution.packages?.keyring} and a mirror`;
    const reason = `, and it cannot be made from packages (${needed})`;
    const more = distribution.packages ? reason : '';
    return { ...story, skip: `no registry has ${distribution.image} for us${more}` };
  }
  // NET_ADMIN: provision.sh enables the firewall of the container's own network.
  const options = ['--detach', '--init', '--cap-add', 'NET_ADMIN', '--entrypoint', 'sleep'];
  const environment = Object.entries(distribution.environment ?? {}).flatMap(([name, value]) => [
    '--env',
    `${name}=${value}`,
  ]);
  const container = (
    await mustRun('docker', 'run', ...options, ...environment, base, 'infinity')
  ).trim();
  containers.push(container);
  const runScript = (name: string, ...args: string[]) => {
    const text = readFileSync(join(import.meta.dirname, 'provision', name), 'utf8');
    return mustRun('docker', 'exec', container, 'sh', '-c', text, name, ...args);
  };
  const state = () => runScript('state.sh');
  for (const [name, ...args] of distribution.setUp) await runScript(name, ...args);
  await mustRun('docker', 'exec', container, 'mkdir', '-p', '/opt/taskapp');
  await mustRun(
    'docker',
    'cp',
    '--quiet',
    `${join(directory, 'app')}/.`,
    `${container}:/opt/taskapp`,
  );
  const call = (...args: string[]) =>
    run('docker', 'exec', container, provision, ...distribution.arguments, ...args);

  const before = await state();
  const refused = await call();
  const afterRefusal = await state();
  // A key of root would not do, because provision.sh shuts root out. sshd ignores a key file that
  // others can write.
  await runScript('administrator.sh', key);
  const beforeDry = await state();
  const dry = await call('--dry-run');
  const afterDry = await state();
  const first = await call();
  const afterFirst = await state();
  const second = await call();
  const afterSecond = await state();
  return {
    container,
    ...(distribution.boots ? { booted: await boot(container) } : {}),
    refused,
    dry,
    first,
    second,
    states: {
      before,
      refused: afterRefusal,
      dry: afterDry === beforeDry ? 'unchanged' : difference(beforeDry, afterDry),
      first: afterFirst,
      second: difference(afterFirst, afterSecond),
    },
  };
}

/** A container with systemd, which may mount and has its own /run. */
async function boot(container: string): Promise<string> {
  const image = `taskapp-provision-${crypto.randomUUID().slice(0, 8)}`;
  await mustRun('docker', 'commit', container, image);
  images.push(image);
  const options = [
    '--detach',
    '--cgroupns',
    'private',
    '--cap-add',
    'SYS_ADMIN',
    '--cap-add',
    'NET_ADMIN',
    '--tmpfs',
    '/run',
    '--tmpfs',
    '/tmp:exec',
  ];
  const booted = (
    await mustRun('docker', 'run', ...options, '--entrypoint', '/lib/systemd/systemd', image)
  ).trim();
  containers.push(booted);
  return booted;
}

function difference(before: string, after: string): string {
  const [old, now] = [new Set(before.split('\n')), new Set(after.split('\n'))];
  return [...old]
    .filter((line) => !now.has(line))
    .map((line) => `-${line}`)
    .concat([...now].filter((line) => !old.has(line)).map((line) => `+${line}`))
    .join('\n');
}

// The first test of a distribution waits for its installation, from a mirror that may be slow.
describe.skipIf(inject('notRunBecause'))('provision.sh', { timeout: 900_000 }, () => {
  const stories = new Map<string, Promise<Story>>();

  beforeAll(() => {
    const app = join(directory, 'app');
    mkdirSync(app, { recursive: true });
    const files = [
      'compose.yml',
      'monitoring/compose.yml',
      'compose.prod.yml',
      '.env.prod.example',
    ];
    for (const name of ['scripts', ...files])
      cpSync(join(root, name), join(app, name), { recursive: true });
    cpSync(join(root, 'db'), join(app, 'db'), { recursive: true });
    execFileSync('chmod', ['-R', 'go=', join(app, 'db')]); // as in a clone made under umask 077
    // Side by side, because they mostly wait for packages.
    for (const distribution of distributions) {
      const story = tell(distribution);
      story.catch(() => undefined); // the tests fail with it
      stories.set(distribution.name, story);
    }
  });
  afterAll(async () => {
    await Promise.allSettled(stories.values());
    if (containers.length > 0) await run('docker', 'rm', '--force', '--volumes', ...containers);
    if (images.length > 0) await run('docker', 'image', 'rm', ...images);
    rmSync(directory, { recursive: true });
  });

  async function told(
    name: string,
    context: TestContext,
  ): Promise<Story & { sh: (script: string) => Promise<Result> }> {
    const story = await stories.get(name);
    if (!story || story.skip) return context.skip(story?.skip ?? 'not started');
    return { ...story, sh: (script) => run('docker', 'exec', story.container, 'sh', '-c', script) };
  }

  describe.each(distributions)('on $name', ({ name, arguments: given }) => {
    const likeRocky = name.includes('Rocky');
    it('refuses as long as nobody could log in, and changes nothing', async (context) => {
      const { refused, states } = await told(name, context);
      expect(refused.output).toContain('refused: no user with sudo has an SSH key');
      expect(refused.code).toBe(3);
      expect(difference(states.before, states.refused)).toBe('');
    });

    it('prints every change of a dry run and makes none', async (context) => {
      const { dry, first, states } = await told(name, context);
      expect(dry.code).toBe(0);
      expect(states.dry).toBe('unchanged');
      expect(dry.output).toMatch(/provision: [1-9]\d+ changes to make, none made\n$/);
      expect(dry.output).toContain('    +PermitRootLogin no');
      // The first run did what the dry run announced, except for what packages bring themselves.
      const said = (output: string) =>
        output.split('\n').filter((line) => /\[\w+\] (write|open|make|let) /.test(line));
      expect(said(dry.output)).toEqual(said(first.output));
    });

    it('does all of it, and the second time nothing', async (context) => {
      const { first, second, states } = await told(name, context);
      expect(first.output).toMatch(/provision: [1-9]\d+ changes\n$/);
      expect(first.code).toBe(0);
      expect(second.output).toMatch(/provision: 0 changes\n$/);
      expect(second.code).toBe(0);
      expect(states.second).toBe('');
    });

    it('leaves an sshd that takes keys only and nobody as root', async (context) => {
      const { sh } = await told(name, context);
      const { output } = await sh(
        'install -d /run/sshd; ssh-keygen -A >/dev/null; sshd -t && sshd -T',
      );
      expect(output.split('\n')).toEqual(
        expect.arrayContaining([
          'passwordauthentication no',
          'kbdinteractiveauthentication no',
          'permitrootlogin no',
          'pubkeyauthentication yes',
        ]),
      );
    });

    it('opens ssh, 80 and 443 in the firewall, and nothing else', async (context) => {
      const { sh } = await told(name, context);
      const { output } = await sh(
        likeRocky ? 'firewall-offline-cmd --list-ports' : "ufw show added | sed -n 's/^ufw //p'",
      );
      const open = output
        .trim()
        .split(likeRocky ? /\s+/ : '\n')
        .map((rule) => rule.replace('allow ', ''));
      expect(open.toSorted((x, y) => x.localeCompare(y))).toEqual(['22/tcp', '443/tcp', '80/tcp']);
    });

    it('leaves a fail2ban that takes its settings and watches sshd', async (context) => {
      const { sh } = await told(name, context);
      expect((await sh('fail2ban-client -t')).output).toContain(
        'OK: configuration test is successful',
      );
      const { output } = await sh('fail2ban-client -d');
      expect(output).toContain("['add', 'sshd', 'systemd']");
      expect(output.includes("['set', 'sshd', 'addaction', 'ufw']")).toBe(!likeRocky);
    });

    it('lets security updates come by themselves', async (context) => {
      const { sh } = await told(name, context);
      const show = likeRocky
        ? 'cat /etc/dnf/automatic.conf'
        : 'apt-config dump; unattended-upgrade --dry-run --debug';
      const wanted = likeRocky
        ? [/^upgrade_type = security$/m, /^apply_updates = yes$/m]
        : [
            /APT::Periodic::Update-Package-Lists "1";/,
            /APT::Periodic::Unattended-Upgrade "1";/,
            /Allowed origins are: .*[Ss]ecurity/,
          ];
      const { output } = await sh(show);
      for (const line of wanted) expect(output).toMatch(line);
    });

    it('gives /opt/taskapp to taskapp, and enables the timers', async (context) => {
      const { sh } = await told(name, context);
      const { output } = await sh(`
        cd /opt/taskapp
        stat --format '%n %U:%G %a' . backups secrets db/init/01_schema.sql db/health.sh compose.yml
        systemd-analyze verify /etc/systemd/system/taskapp-*
        cd /etc/systemd/system && systemctl is-enabled taskapp-*.timer`);
      const lines = output.trim().split('\n');
      expect(lines.slice(0, 6)).toEqual([
        '. taskapp:taskapp 750',
        'backups taskapp:taskapp 700',
        'secrets taskapp:taskapp 700',
        'db/init/01_schema.sql taskapp:taskapp 644',
        'db/health.sh taskapp:taskapp 755',
        expect.stringContaining('compose.yml taskapp:taskapp'),
      ]);
      expect(lines.length).toBeGreaterThan(6);
      expect(new Set(lines.slice(6))).toEqual(new Set(['enabled']));
    });

    it('makes docker compose mean production there, with secrets of its own', async (context) => {
      const { sh } = await told(name, context);
      const settings = 'readlink .env; grep ^COMPOSE_FILE= .env';
      const owners = "stat --format '%n %U %a' .env.prod secrets/db_pass";
      const { output } = await sh(`cd /opt/taskapp && { ${settings}; ${owners}; }`);
      expect(output.trim().split('\n')).toEqual([
        '.env.prod',
        'COMPOSE_FILE=compose.yml:compose.prod.yml',
        '.env.prod taskapp 600',
        'secrets/db_pass taskapp 444',
      ]);
    });

    it.skipIf(given.includes('docker'))(
      'keeps ports without an address on 127.0.0.1, and other settings of Docker as they are',
      async (context) => {
        const { sh } = await told(name, context);
        const daemon = JSON.parse((await sh('cat /etc/docker/daemon.json')).output) as Record<
          string,
          unknown
        >;
        expect(daemon).toMatchObject({
          ip: '127.0.0.1',
          'default-network-opts': {
            bridge: { 'com.docker.network.bridge.host_binding_ipv4': '127.0.0.1' },
          },
          'live-restore': true,
        });
        const validate = given.includes('distribution')
          ? 'dockerd --validate --config-file /etc/docker/daemon.json'
          : 'echo configuration OK';
        expect((await sh(validate)).output).toContain('configuration OK');

        const runWith = async (settings: object) => {
          await sh(`echo '${JSON.stringify(settings)}' >/etc/docker/daemon.json`);
          const { code, output } = await sh(`${provision} ${given.join(' ')}`);
          const after = JSON.parse((await sh('cat /etc/docker/daemon.json')).output) as unknown;
          return { code, output, after };
        };
        const own = { debug: true, 'log-driver': 'journald', 'log-opts': { tag: 'x' } };
        const merged = await runWith(own);
        expect(merged.after).toEqual({ ...daemon, ...own });
        expect(merged.code).toBe(0);
        expect((await runWith(merged.after as object)).output).toMatch(/provision: 0 changes\n$/);

        const open = { ip: '0.0.0.0' };
        const kept = await runWith(open);
        expect(kept.after).toEqual(open);
        expect(kept.output).toContain('ports that are published without an address; it is kept');
        expect(kept.code).toBe(1);
        expect((await runWith(daemon)).code).toBe(0);
      },
    );

    it('removes its settings of sshd when another file wins over them', async (context) => {
      const { sh } = await told(name, context);
      const settings = '/etc/ssh/sshd_config.d';
      await sh(`
        echo PermitRootLogin yes >${settings}/01-other.conf
        rm ${settings}/10-taskapp.conf`);
      const { code, output } = await sh(`
        ${provision} ${given.join(' ')}
        code=$?
        ls ${settings}
        rm ${settings}/01-other.conf
        exit $code`);
      expect(output).toContain("sshd still does not have 'permitrootlogin no'");
      expect(output).not.toContain('10-taskapp.conf\n0');
      expect(output.trim().split('\n')).not.toContain('10-taskapp.conf');
      expect(code).toBe(1);
    });

    it.for(['Port 2222', 'ListenAddress 127.0.0.1:2222'])(
      'opens %s of sshd',
      async (line, context) => {
        const { sh } = await told(name, context);
        await sh(`echo ${line} >/etc/ssh/sshd_config.d/00-port.conf`);
        const { output } = await sh(
          `${provision} ${given.join(' ')} --dry-run; rm /etc/ssh/sshd_config.d/00-port.conf`,
        );
        expect(output).toContain('open 2222/tcp');
        expect(output).toContain('+port = 2222');
      },
    );
  });

  it.for(distributions.map(({ name }) => name).filter((name) => !name.includes('Rocky')))(
    'enables ufw on %s after the ports are open, and then all else is refused',
    async (name, context) => {
      const { sh, first } = await told(name, context);
      const order = ['open 22/tcp', 'open 80/tcp', 'open 443/tcp', 'enable ufw'].map((step) =>
        first.output.indexOf(step),
      );
      expect(order[0]).toBeGreaterThan(0);
      expect(order.at(-1)).toBe(Math.max(...order));
      expect((await sh('ufw status')).output).toContain('Status: active');
      expect((await sh('iptables -S INPUT')).output).toContain('-P INPUT DROP');
      expect((await sh('ufw --dry-run enable')).code).toBe(0);
    },
  );

  it('runs all services after a reboot, and starts again what was stopped', async (context) => {
    const { booted = '' } = await told('Debian 13', context);
    const sh = (script: string) => run('docker', 'exec', booted, 'sh', '-c', script);
    const up = await sh(
      'timeout 60 sh -c "until systemctl is-active --quiet multi-user.target; do sleep 0.5; done"',
    );
    if (up.code !== 0) return context.skip('systemd does not start in a container here');
    const units = [
      'ssh',
      'ufw',
      'fail2ban',
      'docker',
      'taskapp-backup.timer',
      'taskapp-restore-test.timer',
    ].join(' ');
    await expect
      .poll(async () => (await sh(`systemctl is-active ${units}`)).output, { timeout: 30_000 })
      .toBe('active\n'.repeat(6));
    expect((await sh('ufw status')).output).toContain('Status: active');
    expect((await sh('fail2ban-client status sshd')).output).toContain('Journal matches');
    const network = await sh(`
      docker network create x >/dev/null
      docker network inspect --format "{{json .Options}}" x`);
    expect(network.output).toBe('{"com.docker.network.bridge.host_binding_ipv4":"127.0.0.1"}\n');
    const call = async () => (await sh(`${provision} --docker-from distribution`)).output;
    expect(await call()).toMatch(/provision: 0 changes\n$/);
    const port = await sh(`
      mkdir -p /etc/systemd/system/ssh.socket.d
      printf '[Socket]\\nListenStream=\\nListenStream=2223\\n' >/etc/systemd/system/ssh.socket.d/port.conf
      systemctl daemon-reload
      systemctl stop ssh.service
      systemctl start ssh.socket
      ${provision} --without docker --dry-run
      systemctl stop ssh.socket ssh.service
      rm -r /etc/systemd/system/ssh.socket.d
      systemctl daemon-reload
      systemctl start ssh.service`);
    expect(port.output).toContain('open 2223/tcp');
    const others = await sh(`
      /usr/sbin/sshd -p 2224
      /usr/sbin/sshd -p 2225 -o ListenAddress=127.0.0.1
      ${provision} --without docker --dry-run
      pkill -f 'sshd -p'`);
    expect(others.output).toContain('open 2224/tcp');
    expect(others.output).not.toContain('2225');
    // The timer's service runs as taskapp: it asks the engine, and writes to backups/.
    const backup = await sh(`
      systemctl start taskapp-backup 2>/dev/null
      journalctl --unit taskapp-backup --output cat
      stat -c %U /opt/taskapp/backups`);
    expect(backup.output).toMatch(/backup: the database is not running[^]*\ntaskapp\n$/);
    await sh(`
      systemctl stop fail2ban taskapp-backup.timer
      systemctl disable taskapp-backup.timer`);
    expect((await call()).split('\n').filter((line) => /\] |changes/.test(line))).toEqual([
      'provision: [fail2ban] start fail2ban.service',
      'provision: [app] enable taskapp-backup.timer',
      'provision: [app] start taskapp-backup.timer',
      'provision: 3 changes',
    ]);
  });

  it('leaves parts out, and refuses parts it does not know', async (context) => {
    const { container } = await told('Debian 13', context);
    const call = (...args: string[]) => run('docker', 'exec', container, provision, ...args);
    const all = ['docker', 'firewall', 'ssh', 'fail2ban', 'updates', 'app'].flatMap((part) => [
      '--without',
      part,
    ]);
    const { code, output } = await call(...all);
    expect(output.match(/left out/g)).toHaveLength(6);
    expect(output).toContain('provision: 0 changes');
    expect(code).toBe(0);
    expect((await call('--without', 'sshd')).code).toBe(2);
    expect((await call('--wat')).code).toBe(2);
  });

  it('knows who can log in and become root', async (context) => {
    const { sh } = await told('Debian 13', context);
    const after = async (change: string) => {
      const changed = await sh(change);
      expect(changed).toMatchObject({ code: 0 });
      return sh(`${provision} --without docker --dry-run`);
    };
    expect(await after('true')).toMatchObject({ code: 0 });
    // sudo asks for the password.
    expect(await after('passwd --quiet --lock ada')).toMatchObject({ code: 3 });
    expect(await after('passwd --quiet --unlock ada')).toMatchObject({ code: 0 });
    // Without a group that has a rule, then with a rule of her own.
    expect(await after('gpasswd --delete ada sudo')).toMatchObject({ code: 3 });
    const rule = (line: string) => `echo '${line}' >/etc/sudoers.d/ada`;
    expect(await after(rule('ada ALL=(www-data) NOPASSWD: ALL'))).toMatchObject({ code: 3 });
    expect(await after(rule('ada ALL=(ALL) NOPASSWD: /bin/true'))).toMatchObject({ code: 3 });
    expect(await after(rule('ada ALL=(ALL) NOPASSWD: NOEXEC: ALL'))).toMatchObject({ code: 3 });
    expect(await after(rule('ada ALL=(ALL) SETENV: ALL'))).toMatchObject({ code: 0 });
    const tagged = 'ada ALL=(ALL : ALL) NOPASSWD: SETENV: LOG_OUTPUT: ALL';
    expect(await after(rule(tagged))).toMatchObject({ code: 0 });
    expect(await after(rule('ada ALL=(ALL) NOPASSWD: ALL'))).toMatchObject({ code: 0 });
    expect(await after('passwd --quiet --lock ada')).toMatchObject({ code: 0 });
    // sshd ignores a key that others may change.
    expect(await after('chmod 666 /home/ada/.ssh/authorized_keys')).toMatchObject({ code: 3 });
    expect(await sh(`${provision} --without ssh --without docker --dry-run`)).toMatchObject({
      code: 0,
    });
  });
});
