// The nightly copy to another place, as its systemd unit makes it, and a new server that comes back
// from it by the commands of docs/runbooks.md.
import { execFile, execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { copyForAll, root } from '../lib/copy.ts';
import { Script } from '../lib/live.ts';
import { docker, psql } from '../lib/stack.ts';

const run = promisify(execFile);

const isInstalled = () => {
  try {
    return execFileSync('restic', ['version'], { stdio: 'pipe' }).length > 0;
  } catch {
    return false;
  }
};

describe.skipIf(inject('notRunBecause') || !isInstalled())('the copy in another place', () => {
  const name = `taskapp-test-${crypto.randomUUID().slice(0, 8)}`;
  const repository = mkdtempSync(join(tmpdir(), 'taskapp-restic-'));
  const settings = join(repository, 'restic.env');
  const restic = {
    RESTIC_REPOSITORY: join(repository, 'copies'),
    RESTIC_PASSWORD: 'only for this test',
    RESTIC_CACHE_DIR: join(repository, 'cache'),
  };
  const env = {
    ...process.env,
    COMPOSE_FILE: undefined,
    COMPOSE_ENV_FILES: undefined,
    TAG: undefined,
    HTTP_PORT: '0',
    HTTPS_PORT: '0',
    COMPOSE_PROJECT_NAME: name,
    IMAGE_PREFIX: name,
  };
  const directory = copyForAll();
  const inDirectory = async (file: string, ...args: string[]) =>
    (await run(file, args, { cwd: directory, env })).stdout;
  const compose = (...args: string[]) => inDirectory('docker', 'compose', ...args);
  async function removeAll() {
    await compose('down', '--volumes', '--timeout', '0');
    await docker(
      'image',
      'rm',
      '--force',
      ...['api', 'web'].map((tier) => `${name}-${tier}:1.0.0`),
    );
  }
  const sql = (statement: string) => compose('exec', '-T', 'db', ...psql(), '-c', statement);
  const script = async (file: string, ...args: string[]) => {
    const { code, output } = await new Script(directory, env, file, ...args).ended;
    expect([code, output]).toEqual([0, output]);
  };

  /** What the unit runs, one after the other. */
  async function copy() {
    const unit = readFileSync(join(root, 'scripts/systemd/taskapp-offsite.service'), 'utf8');
    const commands = [...unit.replaceAll('\\\n', '').matchAll(/^ExecStart=(.*)$/gm)];
    expect(commands).toHaveLength(3);
    for (const [, command = ''] of commands) {
      const [file = '', ...args] = command.replaceAll('%%', '%').split(/ +/);
      const options = { cwd: directory, env: { ...env, ...restic } };
      await run(file.replace('/opt/taskapp', directory), args, options);
    }
  }

  beforeAll(async () => {
    const lines = Object.entries(restic).map(([key, value]) => `${key}='${value}'\n`);
    writeFileSync(settings, lines.join(''));
    await run('restic', ['init'], { env: { ...env, ...restic } });
    await script('make-secrets.sh', '--self-signed', 'localhost');
    await compose('up', '-d', '--build', '--wait');
  });
  afterAll(async () => {
    await removeAll();
    for (const path of [directory, repository]) rmSync(path, { recursive: true });
  });

  it('brings back data, passwords and settings on a new server', async () => {
    await sql("INSERT INTO tasks (title) VALUES ('before the last backup')");
    await script('backup.sh');
    await copy();
    const rows = await sql('SELECT * FROM tasks ORDER BY id');
    const token = readFileSync(join(directory, 'secrets/api_token'), 'utf8');
    await sql("INSERT INTO tasks (title) VALUES ('after it')");

    await removeAll();
    rmSync(directory, { recursive: true });
    renameSync(copyForAll(), directory);
    const runbook = readFileSync(join(root, 'docs/runbooks.md'), 'utf8');
    const [, block = ''] = /### Server lost\n[^#]*?```bash\n(.*?)```/s.exec(runbook) ?? [];
    const commands = block.replace('/etc/taskapp/restic.env', settings);
    expect(commands).toContain('restic restore');
    const startedAt = performance.now();
    // The last command also judges this machine, which is no server.
    await inDirectory('bash', '-euc', commands.replace('scripts/check-health.sh\n', ''));
    const seconds = Math.round((performance.now() - startedAt) / 1_000);
    console.log(`measured: from the copy to serving in ${seconds} s`);

    expect(await sql('SELECT * FROM tasks ORDER BY id')).toBe(rows);
    expect(readFileSync(join(directory, 'secrets/api_token'), 'utf8')).toBe(token);
    const port = (await compose('port', 'web', '443')).trim().split(':').at(-1);
    const ask = ['--cacert', 'secrets/tls.crt', '-H', `Authorization: Bearer ${token.trim()}`];
    const answer = await inDirectory('curl', '-sS', ...ask, `https://localhost:${port}/api/tasks`);
    expect(answer).toContain('before the last backup');
  });
});
