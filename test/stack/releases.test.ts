// scripts/deploy.sh and scripts/rotate-password.sh, on production as in .env.prod.example, and the
// documents that say when to use them.
import { execFileSync } from 'node:child_process';
import {
  cpSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, inject, it, onTestFinished } from 'vitest';
import { Project } from '../../tools/verify/project.ts';
import { verify } from '../../tools/verify/run.ts';
import { differences } from '../../tools/verify/test/expected.ts';
import { blocks, follow, runbook } from '../lib/documents.ts';
import { Installation, lines } from '../lib/installation.ts';
import { Connection, type Ended, Load, Script } from '../lib/live.ts';
import { docker, psql } from '../lib/stack.ts';

const logIn = readFileSync(join(import.meta.dirname, 'log-in.cjs'), 'utf8');

describe.skipIf(inject('notRunBecause'))('production', () => {
  const installation = new Installation();
  const { name, directory, env, settings, script, compose, containers, server } = installation;
  const deploy = (...args: string[]): Promise<Ended> => script('deploy.sh', ...args).ended;
  const sql = (statement: string) => compose('exec', '-T', 'db', ...psql(), '-c', statement);
  const images = async () =>
    lines(await docker('inspect', '--format', '{{.Config.Image}}', ...(await containers('api'))));
  const health = async (id: string) =>
    (await docker('inspect', '--format', '{{.State.Health.Status}}', id)).trim();
  const version = () => /^(?:export )?TAG ?= ?"?([^"\s]+)/m.exec(settings())?.[1] ?? '';
  const secret = (file: string) => readFileSync(join(directory, 'secrets', file), 'utf8');

  /** Another version: the first image of the API with this change, and an image of nginx. */
  function makeImage(tag: string, change: string, web = '1'): void {
    execFileSync('docker', ['build', '--quiet', '--tag', `${name}-api:${tag}`, '-'], {
      input: `FROM ${name}-api:1\n${change}\n`,
    });
    execFileSync('docker', ['tag', `${name}-web:${web}`, `${name}-web:${tag}`]);
  }

  beforeAll(async () => {
    await installation.prepare();
    const first = 'export TAG = "1" # as Compose may find it';
    installation.writeSettings(settings().replace(/^TAG=.*$/m, first));
    const { code, output } = await deploy('1'); // builds, and starts what does not run yet
    if (code !== 0) throw new Error(output);

    for (const tag of ['2', '3', '4', '5']) makeImage(tag, `LABEL release=${tag}`);
    makeImage('hangs', `CMD ["node", "-e", "setInterval(() => {}, 1000)"]`);
    const failing = "require('http').createServer((q, s) => s.writeHead(500).end()).listen(8080)";
    makeImage('fails', `CMD ["node", "-e", "${failing}"]`);
  });
  afterAll(() => installation.remove());

  it(
    'answers every request over five releases in a row, of which the last goes back',
    { timeout: 240_000 },
    async () => {
      const web = await containers('web');
      const running = new Load(await server());
      for (const [args, tag] of [
        [['2'], 2],
        [['3'], 3],
        [['4'], 4],
        [['5'], 5],
        [['--rollback'], 4],
      ] as const) {
        const { code, output } = await deploy(...args);
        expect([code, output]).toEqual([0, expect.stringContaining(`version ${tag} is running`)]);
        expect(await images()).toEqual([`${name}-api:${tag}`, `${name}-api:${tag}`]);
        expect(version()).toBe(String(tag));
      }
      await running.stop();

      expect(running.failures).toEqual([]);
      expect(running.sent).toBeGreaterThan(5_000);
      const stored = lines(await sql(`SELECT title FROM tasks WHERE title LIKE 'load %'`));
      expect(stored.toSorted()).toEqual(running.acknowledged.toSorted());
      expect(await containers('web')).toEqual(web); // its image is the same in all versions
      const logs = readdirSync(join(directory, 'logs'));
      expect(logs).toHaveLength(10); // of two replicas in each release
      for (const log of logs) expect(log).toMatch(/^\S+-api-\d+-\d{8}T\d{6}Z\.log\.gz$/);
      expect(statSync(join(directory, 'logs')).mode & 0o777).toBe(0o700);
      // Compose must not find them changed: `docker compose up` would replace them all at once.
      const hash = '{{index .Config.Labels "com.docker.compose.config-hash"}}';
      const hashes = lines(
        await docker('inspect', '--format', `api ${hash}`, ...(await containers('api'))),
      );
      expect(new Set(hashes)).toEqual(new Set(lines(await compose('config', '--hash', 'api'))));
      console.log(
        `five releases: ${running.sent} requests, slowest ${Math.round(running.slowestMs)} ms`,
      );
    },
  );

  it('answers every request of a heavy load while the replicas restart one by one', async () => {
    // A slow disk may refuse some of them (429, 503); no request may meet a replica that is gone.
    const accepted = [200, 201, 429, 503];
    const running = new Load({ ...(await server()), perSecond: 600, atOnce: 500, accepted });
    const visitor = new Connection(await server());
    const servedBy = async () => {
      const { head } = await visitor.send({ method: 'GET', path: '/api/tasks?limit=1' });
      return /^x-served-by: (.*)$/im.exec(head)?.[1];
    };
    for (const id of await containers('api')) {
      await docker('stop', '--time', '30', id);
      await docker('start', id);
      await expect.poll(() => health(id), { timeout: 30_000 }).toBe('healthy');
      // nginx leaves it out for 10 s after each failed attempt, and must not have two to leave out.
      await expect.poll(servedBy, { timeout: 60_000 }).toBe(id.slice(0, 12));
    }
    visitor.close();
    await running.stop();
    const format = ['--format', '{{.RestartCount}} {{.State.OOMKilled}}'];
    const ends = lines(await docker('inspect', ...format, ...(await containers('api'))));
    expect({ ends, failures: running.failures }).toEqual({
      ends: ['0 false', '0 false'], // none crashed, and none ran out of memory
      failures: [],
    });
    expect(running.sent).toBeGreaterThan(5_000);
  });

  it('passes every check after a release, which writes settings', async () => {
    const project = new Project({
      directory,
      files: ['compose.yml', 'compose.prod.yml'],
      envFiles: ['.env.prod'],
      token: secret('api_token'),
      trust: { ca: readFileSync(join(directory, 'secrets/tls.crt')) },
      env,
    });
    expect(settings()).toMatch(/^PREVIOUS_TAG=/m);
    expect(differences(await verify(project), [])).toEqual([]);
  });

  it('fails nobody who comes when nginx does not know yet that a replica is gone', async () => {
    // Without requests while the replica drained, nginx has not seen it refuse one.
    const options = await server();
    expect(await deploy('--restart')).toMatchObject({ code: 0 });
    const burst = new Load(options);
    await sleep(200);
    await burst.stop();
    expect(burst.failures).toEqual([]);
  });

  it('does not kill the replicas that it cannot stop', async () => {
    const before = await containers('api');
    const tools = mkdtempSync(join(directory, 'tools-'));
    const program = execFileSync('sh', ['-c', 'command -v docker']).toString().trim();
    const cannotStop = `[ "$1" != stop ] || exit 1\nexec "${program}" "$@"`;
    writeFileSync(join(tools, 'docker'), `#!/bin/sh\n${cannotStop}\n`, { mode: 0o755 });
    const PATH = `${tools}:${process.env.PATH}`;
    const running = new Load(await server());
    const { code, output } = await new Script(directory, { ...env, PATH }, 'deploy.sh', '--restart')
      .ended;
    await running.stop();
    expect([code, output]).toEqual([1, expect.stringContaining('so are old replicas')]);
    expect(running.failures).toEqual([]);
    expect(await containers('api')).toEqual(expect.arrayContaining(before));
    await docker('stop', '--time', '30', ...before);
    await docker('rm', ...before);
  });

  it('does nothing when the version is running already, also one with a comment', async () => {
    const before = await containers('api');
    const [present, plain] = [version(), settings()];
    installation.writeSettings(plain.replace(/^TAG=.*$/m, '$& # the present one'));
    expect(await deploy(present)).toMatchObject({
      code: 0,
      output: expect.stringContaining('is running already'),
    });
    expect(await containers('api')).toEqual(before);
    installation.writeSettings(plain);
  });

  it('neither counts nor removes what docker compose run has started', async () => {
    const started = [
      await compose('run', '--detach', '--no-deps', 'api', 'sleep', '300'),
      await compose('run', '--detach', '--no-deps', 'db', 'sleep', '300'),
    ].map((id) => id.trim());
    onTestFinished(async () => void (await docker('rm', '--force', ...started)));
    const { code, output } = await deploy(version());
    expect([code, output]).toEqual([0, expect.stringContaining('is running already')]);
    expect(await script('rotate-password.sh', 'owner').ended).toMatchObject({ code: 0 });
    const states = await docker('inspect', '--format', '{{.State.Status}}', ...started);
    expect(lines(states)).toEqual(['running', 'running']);
  });

  it.each(['hangs', 'fails'])(
    'leaves the old version alone with the requests when the new one %s',
    async (tag) => {
      const before = {
        api: await containers('api'),
        web: await containers('web'),
        settings: settings(),
      };
      const running = new Load(await server());
      const { code, output } = await deploy('--timeout', '4', tag);
      await running.stop();
      expect([code, output]).toEqual([1, expect.stringContaining('not healthy after 4 s')]);
      expect({
        api: await containers('api'),
        web: await containers('web'),
        settings: settings(),
      }).toEqual(before);
      expect(running.failures).toEqual([]);
    },
  );

  it('refuses a second release meanwhile, and removes the new replicas on Ctrl-C', async () => {
    const before = await containers('api');
    const first = script('deploy.sh', 'hangs');
    await first.says('beside');
    await expect.poll(() => containers('api'), { timeout: 20_000 }).toHaveLength(4);
    const file = join(directory, 'scripts/deploy.sh');
    cpSync(file, `${file}.new`);
    renameSync(`${file}.new`, file); // as `git pull` does
    expect(await deploy('2')).toMatchObject({ code: 3 });
    expect(await script('rotate-password.sh').ended).toMatchObject({ code: 3 });
    first.kill('SIGINT');
    expect(await first.ended).toMatchObject({ code: 130 });
    expect(await containers('api')).toEqual(before);
  });

  it('undoes a release without a session, or finishes it once the old replicas drain', async () => {
    const before = await containers('api');
    const starting = script('deploy.sh', 'hangs');
    await starting.says('beside');
    await expect.poll(() => containers('api'), { timeout: 20_000 }).toHaveLength(4);
    starting.hangUp();
    expect(await starting.ended).toMatchObject({ code: 129 });
    expect(await containers('api')).toEqual(before);

    const draining = script('deploy.sh', '--restart');
    await draining.says('draining');
    draining.hangUp();
    expect(await draining.ended).toMatchObject({ code: 0 });
    const after = await containers('api');
    expect(after).toHaveLength(2);
    for (const id of after) expect(before).not.toContain(id);
  });

  it('is not disturbed by Ctrl-C again and again, in its undoing and in the end', async () => {
    const before = await containers('api');
    const starting = script('deploy.sh', 'hangs');
    await starting.says('beside');
    await expect.poll(() => containers('api'), { timeout: 20_000 }).toHaveLength(4);
    expect(await starting.pressCtrlC()).toMatchObject({ code: 130 });
    expect(await containers('api')).toEqual(before);

    const draining = script('deploy.sh', '--restart');
    await draining.says('draining');
    expect(await draining.pressCtrlC()).toMatchObject({ code: 0 });
    const after = await containers('api');
    expect(after).toHaveLength(2);
    for (const id of after) expect(before).not.toContain(id);
  });

  it('removes what a killed release has left', async () => {
    const before = await containers('api');
    const killed = script('deploy.sh', 'hangs');
    await killed.says('beside');
    await expect.poll(() => containers('api'), { timeout: 20_000 }).toHaveLength(4);
    await sleep(1_000);
    killed.kill('SIGKILL');
    await killed.ended;
    expect(await containers('api')).toHaveLength(4);
    expect(await deploy(version())).toMatchObject({
      code: 0,
      output: expect.stringContaining('is running already'),
    });
    expect(await containers('api')).toEqual(before);
  });

  it("changes the API's password without a failed request", async () => {
    const before = { api: await containers('api'), password: secret('db_pass') };
    const running = new Load(await server());
    const { code, output } = await script('rotate-password.sh').ended;
    await running.stop();
    expect([code, output]).toEqual([0, expect.stringContaining('done')]);
    expect(running.failures).toEqual([]);

    const password = secret('db_pass');
    expect(password).not.toBe(before.password);
    expect(statSync(join(directory, 'secrets/db_pass')).mode & 0o777).toBe(0o444);
    expect(await fits('taskapp_api', password)).toBe(true);
    expect(await fits('taskapp_api', before.password)).toBe(false);
    // The container sees the same file, not another one of its name.
    expect(await compose('exec', '-T', 'db', 'cat', '/run/secrets/db_pass')).toBe(password);
    for (const id of await containers('api')) expect(before.api).not.toContain(id);
    expect(output).not.toContain(password);
    expect(await compose('logs', 'db')).not.toMatch(/ALTER ROLE|SCRAM/);
  });

  it("changes the owner's password, and nothing else", async () => {
    const before = { api: await containers('api'), db_pass: secret('db_pass') };
    const rotation = script('rotate-password.sh', '--stdin', 'owner');
    rotation.input(`it's "a" $new\\one\n`);
    expect(await rotation.ended).toMatchObject({ code: 0 });
    expect(secret('postgres_password')).toBe(`it's "a" $new\\one`);
    expect(await fits('taskapp', `it's "a" $new\\one`)).toBe(true);
    expect({ api: await containers('api'), db_pass: secret('db_pass') }).toEqual(before);
  });

  it('puts both passwords back when the API cannot be given the new one', async () => {
    const before = { api: await containers('api'), password: secret('db_pass') };
    // Without the image, a release stops before it begins.
    await docker('image', 'rm', '--force', `${name}-web:${version()}`);
    const { code, output } = await script('rotate-password.sh').ended;
    await docker('tag', `${name}-web:hangs`, `${name}-web:${version()}`);
    expect([code, output]).toEqual([1, expect.stringContaining('putting the old password back')]);
    expect({ api: await containers('api'), password: secret('db_pass') }).toEqual(before);
    expect(await fits('taskapp_api', before.password)).toBe(true);
  });

  it('puts both passwords back when the session is lost in the middle', async () => {
    const before = { api: await containers('api'), password: secret('db_pass') };
    const rotation = script('rotate-password.sh');
    await rotation.says('beside');
    rotation.hangUp();
    expect(await rotation.ended).toMatchObject({ code: 129 });
    expect({ api: await containers('api'), password: secret('db_pass') }).toEqual(before);
    expect(await fits('taskapp_api', before.password)).toBe(true);
  });

  it('puts both passwords back however often Ctrl-C is pressed', async () => {
    const before = { api: await containers('api'), password: secret('db_pass') };
    const rotation = script('rotate-password.sh');
    await rotation.says('beside');
    expect(await rotation.pressCtrlC()).toMatchObject({ code: 130 });
    expect({ api: await containers('api'), password: secret('db_pass') }).toEqual(before);
    expect(await fits('taskapp_api', before.password)).toBe(true);
  });

  it('replaces nothing when a migration fails, and goes on where it stopped', async () => {
    const before = { api: await containers('api'), settings: settings() };
    const file = join(directory, 'db/migrations/20261231000000_broken.sql');
    const migration = (statements: string) =>
      writeFileSync(file, `-- migrate:up\n${statements};\n-- migrate:down\n`);
    onTestFinished(() => rmSync(file));
    migration('CREATE TABLE half (); SELECT no_such_column');
    const running = new Load(await server());
    const { code, output } = await deploy('2');
    expect([code, output]).toEqual([1, expect.stringContaining('column "no_such_column"')]);
    expect(output).toContain('deploy: the database is not migrated, see above');
    expect({ api: await containers('api'), settings: settings() }).toEqual(before);
    expect((await sql(`SELECT to_regclass('half')`)).trim()).toBe('');

    migration('SELECT no_such_column');
    expect(await deploy('--restart')).toMatchObject({ code: 0 }); // runs no migration
    migration('CREATE TABLE whole ()');
    expect(await deploy('2')).toMatchObject({ code: 0 });
    await running.stop();
    expect(running.failures).toEqual([]);
    expect((await sql(`SELECT to_regclass('whole')`)).trim()).toBe('whole');
  });

  it('tries a changed nginx beside the old one, which stays if the new one fails', async () => {
    for (const [tag, change] of [
      ['sick', 'HEALTHCHECK CMD ["false"]'],
      ['well', 'LABEL release=well'],
    ] as const) {
      execFileSync('docker', ['build', '--quiet', '--tag', `${name}-web:${tag}`, '-'], {
        input: `FROM ${name}-web:1\n${change}\n`,
      });
      await docker('tag', `${name}-api:1`, `${name}-api:${tag}`);
    }
    const before = { api: await containers('api'), web: await containers('web') };
    const running = new Load(await server());
    const { code, output } = await deploy('--timeout', '4', 'sick');
    await running.stop();
    expect([code, output]).toEqual([1, expect.stringContaining('not healthy after 4 s')]);
    expect({ api: await containers('api'), web: await containers('web') }).toEqual(before);
    expect(running.failures).toEqual([]);

    expect(await deploy('well')).toMatchObject({ code: 0 });
    const web = await containers('web');
    expect([web.length, await health(web[0] ?? '')]).toEqual([1, 'healthy']);
    expect(web).not.toEqual(before.web);
  });

  it('goes back from a bad release by the commands of the runbook', async () => {
    // It looks healthy.
    const answer = "s.statusCode = q.url.endsWith('z') ? 200 : 500; s.end();";
    const program = `require('http').createServer((q, s) => { ${answer} }).listen(8080)`;
    makeImage('bad', `CMD ${JSON.stringify(['node', '-e', program])}`);
    const before = version();
    expect(await deploy('bad')).toMatchObject({ code: 0 });
    expect(await statusFor(secret('api_token'))).toBe(500);
    const text = runbook('Bad release', '--rollback', 'logs --since');
    const output = await followed(text.replace('scripts/check-health.sh\n', ''));
    expect(output).toContain(`version ${before} is running`);
    // Unlike the API, the bad one does not drain, so nginx may still try it for a moment.
    const status = () => statusFor(secret('api_token'));
    await expect.poll(status, { timeout: 20_000 }).toBe(200);
  });

  it('replaces leaked secrets by the commands of the runbook', async () => {
    const leaked = { token: secret('api_token'), password: secret('db_pass') };
    await followed(runbook('Leaked token or password', 'api_token', 'rotate-password.sh'));
    expect([await statusFor(leaked.token), await statusFor(secret('api_token'))]).toEqual([
      401, 200,
    ]);
    expect(await fits('taskapp_api', leaked.password)).toBe(false);
    expect(await fits('taskapp_api', secret('db_pass'))).toBe(true);
    const clients = await followed(runbook('Leaked token or password', 'logs'));
    expect(clients).toMatch(/^ *\d+ "client":"[\d.]+"\n/);
  });

  it('takes two tokens while clients change theirs, by the commands of the documents', async () => {
    const text = (words: string) => blocks('operations.md', 'Change a password', words);
    const before = secret('api_token').trim();
    await followed(text('openssl rand'));
    const [added = '', kept] = lines(secret('api_token'));
    expect(kept).toBe(before);
    expect([await statusFor(before), await statusFor(added)]).toEqual([200, 200]);
    await followed(text('umask 222; head'));
    expect([await statusFor(before), await statusFor(added)]).toEqual([401, 200]);
  });

  const followed = (commands: string) => follow(commands, directory, env);

  /** The status for a client with this token. */
  async function statusFor(token: string): Promise<number> {
    const headers = { Authorization: `Bearer ${token.trim()}` };
    const connection = new Connection({ ...(await server()), headers });
    const { status } = await connection.send({ method: 'GET', path: '/api/tasks?limit=1' });
    connection.close();
    return status;
  }
  // The last test: no version of the API but these works on the database that it leaves.
  it(
    'renames a column in three releases, as docs/migrations.md does, without a failed request',
    { timeout: 300_000 },
    async () => {
      await sql(`
        INSERT INTO tasks (title, status)
        SELECT 'many', 'status ' || n FROM generate_series(1, 50000) n`);
      const example = join(directory, 'docs/migrations');
      const files = readdirSync(example).toSorted();
      const migrationsOf = (release: number) =>
        files.filter((file) =>
          readFileSync(join(example, file), 'utf8').includes(`\n-- Release ${release}.`),
        );
      expect([1, 2, 3].flatMap(migrationsOf)).toEqual(files);
      // The API of the second release has state wherever it had status.
      const renamed = 'dist/tasks/list.js dist/tasks/schema.js dist/tasks/store.js';
      const rename = `USER root\nRUN sed -i s/status/state/g ${renamed}\nUSER node`;
      makeImage('release-1', 'LABEL release=1', version());
      makeImage('release-2', rename, version());
      makeImage('release-3', `${rename}\nLABEL release=3`, version());

      const running = new Load(await server());
      for (const [release, args, column] of [
        [1, ['release-1'], 'status'],
        [2, ['release-2'], 'state'],
        [2, ['--rollback'], 'status'],
        [2, ['release-2'], 'state'],
        [3, ['release-3'], 'state'],
      ] as const) {
        for (const file of migrationsOf(release))
          cpSync(join(example, file), join(directory, 'db/migrations', file));
        const { code, output } = await deploy(...args);
        expect([code, output]).toEqual([0, expect.stringContaining('is running')]);
        const body = { title: 'a', [column]: `by ${args[0]}` };
        const visitor = new Connection(await server());
        const made = await visitor.send({ method: 'POST', path: '/api/tasks', body });
        visitor.close();
        expect([made.status, JSON.parse(made.text)]).toMatchObject([201, { task: body }]);
      }
      await running.stop();
      expect(running.failures).toEqual([]);
      expect(running.sent).toBeGreaterThan(2_000);

      const columns = await sql(`
        SELECT string_agg(column_name, ' ' ORDER BY ordinal_position)
        FROM information_schema.columns WHERE table_schema = 'public' AND table_name = 'tasks'`);
      expect(columns.trim()).toBe('id title created_at state');
      const kept = await sql(`SELECT count(DISTINCT state) FROM tasks WHERE title = 'many'`);
      expect(kept.trim()).toBe('50000');
    },
  );

  /** Whether the server takes the password of a client in the network of the API. */
  async function fits(role: string, password: string): Promise<boolean> {
    const [container = ''] = await containers('api');
    const args = ['exec', '--interactive', container, 'node', '-e', logIn, role];
    const answer = execFileSync('docker', args, { input: password }).toString().trim();
    if (answer !== 'yes' && answer !== '28P01') throw new Error(answer);
    return answer === 'yes';
  }
});
