// A user tries the lab, then follows docs/operations.md in the same directory with the same volume.
// Also: the settings that make plain `docker compose` mean production.
import { execFile, execFileSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { copyForAll, copyOfRepository, root } from '../lib/copy.ts';
import { type Ended, Script } from '../lib/live.ts';
import { docker, psql } from '../lib/stack.ts';

const run = promisify(execFile);
const noSettings = { COMPOSE_FILE: undefined, COMPOSE_ENV_FILES: undefined, TAG: undefined };
const text = (directory: string, file: string) => readFileSync(join(directory, file), 'utf8');
const mode = (directory: string, file: string) => statSync(join(directory, file)).mode & 0o777;

describe('the settings that make-secrets.sh makes', () => {
  const makeSecrets = (directory: string): Promise<Ended> =>
    new Script(directory, noSettings, 'make-secrets.sh').ended;
  const production = 'COMPOSE_FILE=compose.yml:compose.prod.yml\n';

  it('are .env.prod and a link to it, for the owner alone, and made once', async () => {
    const directory = copyOfRepository();
    const { code, output } = await makeSecrets(directory);
    expect([code, output]).toEqual([0, expect.stringContaining('means production here')]);
    expect(readlinkSync(join(directory, '.env'))).toBe('.env.prod');
    expect(text(directory, '.env')).toBe(text(root, '.env.prod.example'));
    expect(text(directory, '.env')).toContain(production);
    expect(mode(directory, '.env.prod')).toBe(0o600);
    expect((await makeSecrets(directory)).output).not.toContain('.env');
  });

  it('keep the .env of the lab, and of its settings what production has as well', async () => {
    const directory = copyOfRepository();
    const names = 'POSTGRES_DB=other\nPOSTGRES_USER=mine # the owner\n';
    const kept = `${names}COMPOSE_PROJECT_NAME=mine\nHTTP_PORT=81\n`;
    const left =
      "DB_USER='mine' # too\nDB_PASS='a b'\nSECRETS_DIR=./x\nAPI_TOKEN=x\n#LOG_LEVEL=info\n";
    const lab = kept + left;
    writeFileSync(join(directory, '.env'), lab);
    chmodSync(join(directory, '.env'), 0o644);
    expect((await makeSecrets(directory)).output).toContain('is now .env.lab');
    expect(text(directory, '.env.lab')).toBe(lab);
    expect(mode(directory, '.env.lab')).toBe(0o600);
    const end = `\n# From the .env of the lab.\n${kept}`;
    expect(text(directory, '.env')).toBe(text(root, '.env.prod.example') + end);

    rmSync(join(directory, '.env'));
    writeFileSync(join(directory, '.env'), 'DB_USER=another\n');
    const refused = await makeSecrets(directory);
    expect(refused).toMatchObject({ code: 1 });
    expect(refused.output).toContain('.env.lab, which is there already');
    expect(text(directory, '.env')).toBe('DB_USER=another\n');
    expect(text(directory, '.env.lab')).toBe(lab);
  });

  it('leave a server that has a .env.prod, or a .env of production, as it is', async () => {
    const older = copyOfRepository();
    writeFileSync(join(older, '.env.prod'), 'TAG=7\nHTTP_PORT=8\n');
    await makeSecrets(older);
    expect(text(older, '.env')).toBe(`TAG=7\nHTTP_PORT=8\n\n${production}`);
    expect(readlinkSync(join(older, '.env'))).toBe('.env.prod');

    const single = copyOfRepository();
    writeFileSync(join(single, '.env'), `${production}TAG=7\n`);
    await makeSecrets(single);
    expect(text(single, '.env')).toBe(`${production}TAG=7\n`);
    expect(text(single, '.env.prod')).toBe(`${production}TAG=7\n`);
  });

  it('are left alone where the secrets are to be elsewhere', async () => {
    const directory = copyOfRepository();
    const elsewhere = join(directory, 'elsewhere');
    await new Script(directory, noSettings, 'make-secrets.sh', '--dir', elsewhere).ended;
    expect(existsSync(join(elsewhere, 'db_pass'))).toBe(true);
    expect(existsSync(join(directory, '.env'))).toBe(false);
  });
});

it('db/published-passwords.sql has every password of a login that the repository shows', () => {
  const files = ['.env.example', 'compose.yml', 'monitoring/compose.yml', 'compose.override.yml'];
  const password = /\b(?:POSTGRES_PASSWORD|DB_PASS|MONITOR_PASS)\b.*?([a-z]+-[a-z]+-\w+)/g;
  const shown = files.flatMap((file) => [...text(root, file).matchAll(password)]);
  const passwords = new Set(shown.map(([, value]) => `('${value}')`));
  expect(passwords.size).toBe(6);
  const known = text(root, 'db/published-passwords.sql').match(/\('[^')]+-[^')]+'\)/g);
  expect(new Set(known)).toEqual(passwords);
});

describe.skipIf(inject('notRunBecause'))('from the lab to production in one directory', () => {
  const name = `taskapp-test-${crypto.randomUUID().slice(0, 8)}`;
  const ports = { HTTP_PORT: '0', HTTPS_PORT: '0', API_PORT: '0', POSTGRES_PORT: '0' };
  const env = { ...noSettings, ...ports, COMPOSE_PROJECT_NAME: name, IMAGE_PREFIX: name };
  const course = ['-f', 'compose.yml', '-f', 'compose.prod.yml', '--env-file', '.env.prod'];
  let directory: string;

  const script = (file: string, ...args: string[]) =>
    new Script(directory, env, file, ...args).ended;
  const compose = async (...args: string[]) => {
    const options = { cwd: directory, env: { ...process.env, ...env } };
    return (await run('docker', ['compose', ...args], options)).stdout;
  };
  const sql = (statement: string) => compose('exec', '-T', 'db', ...psql(), '-c', statement);
  /** The logins whose password is published. */
  const published = () => sql(text(directory, 'db/published-passwords.sql'));
  const logins = ['taskapp', 'taskapp_api', 'taskapp_monitor'];
  const secrets = () =>
    ['postgres_password', 'db_pass', 'monitor_pass'].map((file) =>
      text(directory, `secrets/${file}`),
    );
  const checked = async (check: string) => {
    const { output } = await script('check-health.sh');
    const lines = output.replaceAll(/ +/g, ' ').split('\n');
    return lines.find((line) => line.includes(`] ${check}: `))?.trim() ?? '';
  };

  /** Expects production to fail soon; resolves with the reason in its log. */
  async function refusal(): Promise<string[]> {
    const startedAt = Date.now();
    const start = compose('up', '-d', '--force-recreate', '--wait');
    await expect(start).rejects.toThrow(/db-1/);
    expect(Date.now() - startedAt).toBeLessThan(40_000);
    const log = await compose('logs', '--no-color', '--no-log-prefix', 'db');
    return [...new Set([...log.matchAll(/taskapp db: .*/g)].map(([line]) => line))];
  }

  beforeAll(async () => {
    directory = copyForAll();
    writeFileSync(join(directory, '.env'), text(root, '.env.example'));
    await compose('up', '-d', '--build', '--wait');
    await sql("INSERT INTO tasks (title) VALUES ('mine')");
  });
  afterAll(async () => {
    await compose('down', '--volumes', '--remove-orphans', '--rmi', 'local', '--timeout', '0');
    const images = ['api:dev', 'api:1.0.0', 'web:1.0.0'].map((image) => `${name}-${image}`);
    await docker('image', 'rm', '--force', ...images);
    await docker('network', 'rm', `${name}_host-access`); // of the lab; production does not know it
    rmSync(directory, { recursive: true });
  });

  it('the lab has published passwords, which check-health.sh says', async () => {
    expect((await published()).trim().split('\n')).toEqual(logins);
    const line = await checked('published passwords');
    expect(line).toMatch(/^\[SKIP\].*this is a lab.*taskapp, taskapp_api, taskapp_monitor/);
    chmodSync(join(directory, '.env'), 0o644);
    expect(await checked('settings')).toMatch(/^\[FAIL\].*others can read \.env; run chmod 600/);
  });

  it('docker compose alone then means what the command of the course means', async () => {
    const made = await script('make-secrets.sh', '--self-signed', 'localhost');
    expect(made).toMatchObject({ code: 0 });
    expect(await compose('config')).toBe(await compose(...course, 'config'));
    expect(await compose('config', '--images')).toContain(`${name}-api:1.0.0`);
  });

  it('rotate-password.sh all lets production have the volume while the lab runs', async () => {
    const before = secrets();
    const { code, output } = await script('rotate-password.sh', 'all');
    expect([code, output]).toEqual([0, expect.stringContaining('now start production')]);
    expect(secrets().filter((secret, n) => secret !== before[n])).toHaveLength(3);
    await compose('up', '-d', '--build', '--wait');
    expect((await published()).trim()).toBe('');
    expect((await sql("SELECT count(*) FROM tasks WHERE title = 'mine'")).trim()).toBe('1');
  });

  it('and all of it again in production, where the stack goes on with the new ones', async () => {
    const before = secrets();
    const { code, output } = await script('rotate-password.sh', 'all');
    expect([code, output]).toEqual([0, expect.not.stringContaining('now start')]);
    expect(secrets().filter((secret, n) => secret !== before[n])).toHaveLength(3);
    for (const secret of secrets()) expect(output).not.toContain(secret);
    const healthz = ['exec', '-T', 'web', 'wget', '-qO-', 'http://api:8080/healthz'];
    expect(await compose(...healthz)).toBe('{"status":"healthy"}');
  });

  it('check-health.sh tells of published passwords and of settings for everybody', async () => {
    expect(await checked('published passwords')).toContain('[OK]');
    expect(await checked('settings')).toContain('[OK]');
    await sql("ALTER ROLE taskapp PASSWORD 'lab-only-owner'");
    const line = '[FAIL] published passwords: taskapp can log in with one';
    const remedy = 'run scripts/rotate-password.sh all';
    expect(await checked('published passwords')).toBe(`${line}; ${remedy}`);
    chmodSync(join(directory, '.env.prod'), 0o644);
    expect(await checked('settings')).toMatch(/^\[FAIL\].*others can read/);
    rmSync(join(directory, '.env'));
    expect(await checked('settings')).toMatch(/^\[FAIL\].*would start development here/);
    await script('make-secrets.sh');
    expect(await checked('settings')).toContain('[OK]');
  });

  it('production refuses the volume of a lab with one line, and the way out works', async () => {
    await sql("ALTER ROLE taskapp_api PASSWORD 'lab-only-api'");
    await sql("ALTER ROLE taskapp_monitor PASSWORD 'lab-only-monitor'");
    const why = `this volume has the lab's published passwords (${logins.join(',')})`;
    const what = 'run scripts/rotate-password.sh all, which keeps the data';
    const line = `taskapp db: refused: ${why}; ${what}, then start the stack again`;
    expect(await refusal()).toEqual([line]);
    expect(await checked('db-1')).toContain(why);
    expect(await checked('web-1')).toMatch(/^\[FAIL\].*created/);

    // A killed run leaves the database that it started.
    const ofProject = ['--filter', `label=com.docker.compose.project=${name}`];
    const oneOff = ['--filter', 'label=com.docker.compose.oneoff=True'];
    const leftOver = () => docker('ps', '--quiet', ...ofProject, ...oneOff);
    const killed = new Script(directory, env, 'rotate-password.sh', 'all');
    await expect.poll(leftOver, { timeout: 60_000 }).not.toBe('');
    killed.kill('SIGKILL');
    await killed.ended;
    expect(await leftOver()).not.toBe('');

    const { code, output } = await script('rotate-password.sh', 'all');
    expect([code, output]).toEqual([0, expect.stringContaining('now start production')]);
    expect(output).toContain('removing the database that a killed run has left');
    await expect.poll(leftOver).toBe('');
    await compose('up', '-d', '--wait');
    expect((await published()).trim()).toBe('');
    expect((await sql('SELECT count(*) FROM tasks')).trim()).toBe('6');
  });

  it('the same for a volume with passwords of its own', async () => {
    await sql("ALTER ROLE taskapp_api PASSWORD 'it''s my \"own\"'");
    const why = 'the password of taskapp_api in this volume differs from db_pass';
    expect(await refusal()).toEqual([expect.stringContaining(why)]);
    expect(await script('rotate-password.sh', 'all')).toMatchObject({ code: 0 });
    await compose('up', '-d', '--wait');
  });

  it('a password of everything that there is on a keyboard is compared right', async () => {
    const password = `it's "a" $new\\one; %s`;
    const rotation = new Script(directory, env, 'rotate-password.sh', '--stdin', 'api');
    rotation.input(`${password}\n`);
    expect(await rotation.ended).toMatchObject({ code: 0 });
    await compose('up', '-d', '--force-recreate', '--wait', 'db');
    expect(execFileSync('cat', [join(directory, 'secrets/db_pass')]).toString()).toBe(password);
  });
});
