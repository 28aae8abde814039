// What the other Compose files and .env change, on copies of the repository.
import { chmodSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, inject, it, onTestFinished } from 'vitest';
import { verify } from '../verify/run.ts';
import { differences } from '../verify/test/expected.ts';
import { copyOfRepository, root } from './copy.ts';
import { type Options, postJson, Stack } from './stack.ts';

function newStack(options: Options): Stack {
  const stack = new Stack(options);
  onTestFinished(() => stack.destroy());
  return stack;
}

const replace = (file: string, search: string, replacement: string) => {
  const text = readFileSync(file, 'utf8');
  expect(text).toContain(search);
  writeFileSync(file, text.replace(search, replacement));
};

describe.skipIf(inject('notRunBecause'))('compose.override.yml', () => {
  const files = ['compose.yml', 'compose.override.yml'];

  it('is loaded by itself, and left out with -f compose.yml', async () => {
    const ports = async (stack: Stack) => {
      const model = JSON.parse(await stack.compose('config', '--format', 'json')) as {
        services: Record<string, { ports?: { host_ip?: string; published: string; target: number }[] }>;
      };
      return Object.entries(model.services).flatMap(([name, { ports: list = [] }]) =>
        list.map(({ host_ip, published, target }) => `${name} ${host_ip}:${published}:${target}`),
      );
    };
    const env = { HTTP_PORT: '80', API_PORT: '8080', POSTGRES_PORT: '5432' };
    expect(await ports(new Stack({ files: ['compose.yml'], env }))).toEqual(['web 0.0.0.0:80:80']);
    expect((await ports(new Stack({ files: [], env }))).toSorted((a, b) => a.localeCompare(b))).toEqual([
      'api 127.0.0.1:8080:8080',
      'db 127.0.0.1:5432:5432',
      'web 0.0.0.0:80:80',
    ]);
  });

  it('publishes the API and PostgreSQL on 127.0.0.1, passes npm run verify, and shows an edit of api/src without a rebuild', async () => {
    const directory = copyOfRepository();
    const stack = newStack({ directory, files });
    await stack.up();
    const bindings = async (service: string, port: string) => (await stack.inspect(service)).NetworkSettings.Ports[port];
    expect((await bindings('db', '5432/tcp'))?.map(({ HostIp }) => HostIp)).toEqual(['127.0.0.1']);
    const api = await bindings('api', '8080/tcp');
    expect(api?.map(({ HostIp }) => HostIp)).toEqual(['127.0.0.1']);

    expect(differences(await verify(stack.asProject()), [])).toEqual([]);

    const direct = `http://127.0.0.1:${api?.[0]?.HostPort}/`;
    expect(await (await fetch(direct)).json()).toMatchObject({ application: 'Task API' });
    replace(join(directory, 'api/src/app.ts'), "application: 'Task API'", "application: 'Edited'");
    const application = async () => {
      const response = await stack.fetch('/').catch(() => undefined);
      return response?.ok ? ((await response.json()) as { application: string }).application : undefined;
    };
    await expect.poll(application, { timeout: 5_000, interval: 50 }).toBe('Edited');
    // Some editors write another file and rename it over the old one.
    for (const name of ['Renamed', 'Again']) {
      const file = join(directory, 'api/src/app.ts');
      writeFileSync(`${file}.part`, readFileSync(file, 'utf8').replace(/application: '\w+'/, `application: '${name}'`), { mode: 0o600 });
      chmodSync(`${file}.part`, 0o644);
      renameSync(`${file}.part`, file);
      await expect.poll(application, { timeout: 5_000, interval: 50 }).toBe(name);
    }

    // A mistake does not end it: once it is mended, the server is back.
    replace(join(directory, 'api/src/app.ts'), "'Again'", "'Again");
    await expect.poll(application, { timeout: 5_000, interval: 50 }).toBeUndefined();
    replace(join(directory, 'api/src/app.ts'), "'Again", "'Mended'");
    await expect.poll(application, { timeout: 5_000, interval: 50 }).toBe('Mended');
  });

  it('has adminer and pgadmin in the profile debug only', async () => {
    const services = async (...args: string[]) => (await new Stack({ files }).compose(...args, 'config', '--services')).split('\n');
    expect(await services()).not.toContain('adminer');
    expect(await services('--profile', 'debug')).toEqual(expect.arrayContaining(['adminer', 'pgadmin']));
  });
});

describe.skipIf(inject('notRunBecause'))('.env', () => {
  it('takes passwords with special characters', async () => {
    const directory = copyOfRepository();
    const example = readFileSync(join(root, '.env.example'), 'utf8');
    const env = example.replace("'change-me-owner'", `'o$wner#:@ /"\\x'`).replace("'change-me-api'", `'$a#p@i: %"\\\\é'`);
    expect(env).not.toBe(example);
    writeFileSync(join(directory, '.env'), env);
    const stack = newStack({ directory, env: { COMPOSE_DISABLE_ENV_FILE: '0' } });
    await stack.up();
    const { Config } = await stack.inspect('api');
    expect(Config.Env).toContain('DB_PASS=$a#p@i: %"\\\\é');
    expect((await stack.fetch('/healthz')).status).toBe(200);
  });

  it("may make the API use the owner's login, as the course has it", async () => {
    const directory = copyOfRepository();
    writeFileSync(
      join(directory, '.env'),
      'POSTGRES_DB=taskdb\nPOSTGRES_USER=taskapp\nPOSTGRES_PASSWORD=secret\nDB_NAME=taskdb\nDB_USER=taskapp\nDB_PASS=secret\n',
    );
    const stack = newStack({ directory, env: { COMPOSE_DISABLE_ENV_FILE: '0' } });
    await stack.up();
    expect((await stack.fetch('/api/tasks', postJson({ title: 'x' }))).status).toBe(201);
  });
});

describe.skipIf(inject('notRunBecause'))('a broken init file', () => {
  it.each(['01_schema.sql', '02_indexes.sql', '03_seed_data.sql', '04_roles.sh'])(
    '%s never ends in a healthy database, although the restart policy brings the server up',
    async (file) => {
      const directory = copyOfRepository();
      const path = join(directory, 'db/init', file);
      if (file.endsWith('.sql')) replace(path, 'COMMIT;', 'SELECT no_such_column;\nCOMMIT;');
      else replace(path, 'DO $$', 'SELECT no_such_column;\nDO $$');
      // With the owner's login: the case in which a half-made database would look most like a whole one.
      const env = { POSTGRES_PASSWORD: 'x', DB_USER: 'taskapp', DB_PASS: 'x' };
      const stack = newStack({ directory, env });
      await stack.compose('up', '-d', '--no-deps', 'db');

      await expect.poll(async () => (await stack.inspect('db')).RestartCount, { timeout: 30_000 }).toBeGreaterThan(0);
      const accepts = ['exec', '-T', 'db', 'pg_isready', '-h', '127.0.0.1'];
      await expect.poll(() => stack.compose(...accepts).catch(() => ''), { timeout: 30_000 }).toContain('accepting');
      const seen = new Set<string | undefined>();
      for (let n = 0; n < 12; n++) {
        seen.add((await stack.inspect('db')).State.Health?.Status);
        await new Promise((resolve) => setTimeout(resolve, 500));
      }
      expect(seen).not.toContain('healthy');
      expect(await stack.compose('logs', '--no-log-prefix', 'db')).toMatch(/ERROR: .*no_such_column/);
    },
  );
});
