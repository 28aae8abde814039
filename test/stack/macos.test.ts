// The scripts that the labs use, with the tools of macOS: bash 3.2 where there is one, no flock,
// timeout, sha256sum or systemd, and the BSDs' date, stat and sed.
import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it, onTestFinished } from 'vitest';
import { copyForAll, root } from '../lib/copy.ts';
import { Stack } from '../lib/stack.ts';

const labScripts = [
  'backup',
  'check-health',
  'compose',
  'deploy',
  'make-secrets',
  'portable',
  'record-run',
  'restore-test',
  'restore-to-time',
  'restore',
  'rotate-password',
];

const onMacos =
  'awk base64 cat chmod cp curl cut df diff dirname docker env find git grep gzip head hostname ls ' +
  'mkdir mkfifo mktemp mv openssl paste perl rm sh shasum sleep sort sync tail tr wc';

const pathOf = (command: string) =>
  execFileSync('sh', ['-c', `command -v ${command} || true`])
    .toString()
    .trim();

/** bash 3.2 as `bash-3.2`, or as the system's own. */
function oldBash(): string | undefined {
  const candidates = [pathOf('bash-3.2'), '/bin/bash'].filter(Boolean);
  return candidates.find((bash) => {
    return execFileSync(bash, ['--version']).toString().includes('version 3.2.');
  });
}

/** A PATH with the commands of macOS, except the given ones. */
function macos(...without: string[]): string {
  const path = mkdtempSync(join(tmpdir(), 'taskapp-macos-'));
  onTestFinished(() => rmSync(path, { recursive: true }));
  for (const name of onMacos.split(' ').filter((other) => !without.includes(other))) {
    const target = pathOf(name);
    if (target) symlinkSync(target, join(path, name));
  }
  symlinkSync(oldBash() ?? pathOf('bash'), join(path, 'bash'));
  const differing = process.platform === 'darwin' ? [] : readdirSync(join(root, 'test/lib/macos'));
  for (const name of differing) {
    symlinkSync(join(root, 'test/lib/macos', name), join(path, name));
  }
  return path;
}

interface Result {
  code: number;
  output: string;
}

type Environment = Record<string, string | undefined>;

function run(
  directory: string,
  env: Environment,
  name: string,
  ...args: string[]
): Promise<Result> {
  const { promise, resolve } = Promise.withResolvers<Result>();
  const file = join(directory, 'scripts', name);
  const all = { ...process.env, PATH: macos(), ...env };
  const child = execFile(file, args, { cwd: tmpdir(), env: all }, (error, stdout, stderr) => {
    resolve({ code: error ? Number(error.code) : 0, output: stdout + stderr });
  });
  child.stdin?.on('error', () => {}); // it may end without reading
  child.stdin?.end('the new password\n');
  return promise;
}

/** Holds the lock on a directory, as another run would. */
async function lock(path: string, ...command: string[]): Promise<ChildProcess> {
  const holder = spawn('bash', [
    '-c',
    `exec 9<"$0"; ${command.join(' ')} && echo held && exec sleep 60`,
    path,
  ]);
  onTestFinished(() => void holder.kill('SIGKILL'));
  await once(holder.stdout, 'data');
  return holder;
}

describe('the scripts of the lab on macOS', () => {
  const text = (name: string) => readFileSync(join(root, 'scripts', `${name}.sh`), 'utf8');
  const code = (name: string) => text(name).replaceAll(/^\s*#.*$/gm, '');

  it.each([
    ['of bash 4', /\bcoproc\b|\bmapfile\b|\breadarray\b|\bexec \{|\bwait -n\b/],
    ['of bash 4 in a declaration', /\b(?:declare|local|typeset) -[An]/],
    ['of bash 4 in a redirection or case', /\|&|&>>|;;?&/],
    ['of bash 4 in an expansion', /\$\{\w+(?:\[[^\]]*\])?(?:[,^]{1,2}|@[A-Za-z])\}|%\(.*\)T/],
    [
      'of GNU',
      /\bxargs -r\b|\bgrep -\w*P|\breadlink -f\b|\bsed -\w*i\b|sha256sum --|\bflock --|\/proc\//,
    ],
  ])('have no construct %s', (_, construct) => {
    const found = labScripts.filter((name) => construct.test(code(name)));
    expect(found).toEqual([]);
  });

  it.each(['backup.sh', 'rotate-password.sh', 'deploy.sh'])(
    'name the tool that is missing for a lock: %s',
    async (name) => {
      const args = name === 'deploy.sh' ? ['1.0.0'] : [];
      const directory = copyForAll();
      onTestFinished(() => rmSync(directory, { recursive: true }));
      writeFileSync(join(directory, '.env.prod'), 'TAG=1.0.0\n');
      const PATH = macos('perl', 'docker');
      writeFileSync(join(PATH, 'docker'), '#!/bin/sh\n', { mode: 0o755 });
      const result = await run(directory, { PATH }, name, ...args);
      expect(result.output).toContain('neither flock nor perl is installed');
      expect(result.code).toBe(1);
    },
  );

  it.each([
    ['docker', 'backup.sh'],
    ['docker', 'restore.sh', 'x.dump'],
    ['docker', 'restore-test.sh'],
    ['docker', 'rotate-password.sh'],
    ['shasum', 'backup.sh'],
    ['shasum', 'restore.sh', 'x.dump'],
    ['shasum', 'restore-test.sh'],
  ])('name %s where it is missing: %s', async (tool, name, ...args) => {
    const missing = tool === 'shasum' ? 'sha256sum' : tool;
    const result = await run(root, { PATH: macos(tool) }, name, ...args);
    expect(result.output).toContain(`${missing} is not installed, and this script needs it`);
    expect(result.code).toBe(1);
  });

  it.each([
    ['flock', 'flock -n 9'],
    ['perl', `perl -MFcntl=:flock -e 'open my $f, "<&=9"; exit !flock $f, LOCK_EX | LOCK_NB'`],
  ])(
    'see a lock that %s holds, and get it as soon as that process is killed',
    async (_, command) => {
      const directory = copyForAll();
      onTestFinished(() => rmSync(directory, { recursive: true }));
      writeFileSync(join(directory, '.env.prod'), 'TAG=1.0.0\n');
      const PATH = macos('docker');
      writeFileSync(join(PATH, 'docker'), '#!/bin/sh\nexit 1\n', { mode: 0o755 });

      const holder = await lock(directory, command);
      const refused = await run(directory, { PATH }, 'deploy.sh', '1.0.0');
      expect(refused).toEqual({
        code: 3,
        output: 'deploy: another release or password change is running; wait for it\n',
      });
      holder.kill('SIGKILL');
      await once(holder, 'exit');
      const { output } = await run(directory, { PATH }, 'deploy.sh', '1.0.0');
      expect(output).toContain('nothing was changed');
    },
  );

  it('make secrets and a certificate', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'taskapp-secrets-'));
    onTestFinished(() => rmSync(directory, { recursive: true }));
    const result = await run(
      root,
      {},
      'make-secrets.sh',
      '--self-signed',
      'localhost',
      '--dir',
      directory,
    );
    expect(result).toMatchObject({ code: 0 });
    expect(readdirSync(directory)).toHaveLength(10);
    expect(readFileSync(join(directory, 'db_pass'), 'utf8')).toMatch(/^[A-Za-z0-9_-]{43}$/);
  });

  it('end a command that takes too long', async () => {
    const PATH = macos();
    const command = 'fail() { exit 9; }; . scripts/portable.sh; timeout 1 sleep 30';
    const started = Date.now();
    const child = spawn('bash', ['-c', command], { cwd: root, env: { PATH } });
    const [status] = (await once(child, 'close')) as [number];
    expect(status).toBe(143);
    expect(Date.now() - started).toBeLessThan(15_000);
  });
});

describe.skipIf(inject('notRunBecause'))(
  'the scripts of the lab on macOS, with a booted stack',
  () => {
    let directory: string;
    let stack: Stack;
    const lab = (name: string, ...args: string[]) => {
      const project = { COMPOSE_PROJECT_NAME: stack.project, COMPOSE_FILE: 'compose.yml' };
      return run(directory, { ...stack.env, ...project, METRICS_DIR: tmpdir() }, name, ...args);
    };
    const says = (code: number, text: string) => ({
      code,
      output: expect.stringContaining(text) as string,
    });
    const backups = () => {
      const files = readdirSync(join(directory, 'backups'));
      return files.filter((file) => file.endsWith('.dump')).toSorted();
    };

    beforeAll(async () => {
      if (!oldBash())
        console.warn(
          'NOT RUN with bash 3.2: there is no bash-3.2 here; this is the system’s own bash',
        );
      directory = copyForAll();
      stack = new Stack({ directory });
      delete stack.env.COMPOSE_DISABLE_ENV_FILE;
      writeFileSync(
        join(directory, '.env'),
        "POSTGRES_PASSWORD='the first owner'\nDB_PASS='the first one'\n",
        { mode: 0o600 },
      );
      await stack.up();
    });
    afterAll(async () => {
      await stack.destroy();
      rmSync(directory, { recursive: true });
    });

    it('back up, also what is to be removed, and bring it back', async () => {
      expect(await lab('backup.sh')).toMatchObject(says(0, '5 rows, verified'));
      expect(backups()).toHaveLength(1);
      expect(await lab('backup.sh', '--dry-run')).toMatchObject(says(0, 'and remove 0:'));
      const old = ['01', '02', '03'].map((day) => `taskdb-202001${day}T000000Z.dump`);
      for (const name of old) writeFileSync(join(directory, 'backups', name), '');
      const dry = await lab('backup.sh', '--dry-run');
      expect(dry).toMatchObject(says(0, `and remove 2: ${old[0]} ${old[1]}\n`));

      const file = join(directory, 'backups', backups().at(-1) ?? '');
      expect(await lab('restore.sh', file, '--yes')).toMatchObject(says(0, 'taskdb now has'));
      expect(await lab('restore-test.sh')).toMatchObject(says(0, 'is good'));
      writeFileSync(`${file}.sums`, 'another');
      expect(await lab('restore.sh', file, '--yes')).toMatchObject(says(1, 'is damaged'));
    });

    it('check the health, with a backup by its age', async () => {
      const { code, output } = await lab('check-health.sh');
      expect(output).toMatch(/\[OK\] {3}db-1: running, healthy/);
      expect(output).toMatch(/\[OK\] {3}\/healthz: 200/);
      expect(output).toMatch(/\[OK\] {3}newest backup: .*\.dump\n/);
      expect(output).toContain('[SKIP] backup timer: systemd does not run here');
      expect(code).toBe(0);
    });

    it('change a password', async () => {
      expect(await lab('rotate-password.sh', '--stdin', 'api')).toMatchObject(says(0, 'done'));
      const settings = readFileSync(join(directory, '.env'), 'utf8');
      expect(settings).toContain("DB_PASS='the new password'");
      expect((await stack.fetch('/healthz')).status).toBe(200);
    });
  },
);
