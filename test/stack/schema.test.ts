// db/migrations on a live database, and scripts/rotate-password.sh where .env has the password.
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { copyForAll } from '../lib/copy.ts';
import { Command, Load, Script } from '../lib/live.ts';
import { docker, postJson, Stack } from '../lib/stack.ts';

describe.skipIf(inject('notRunBecause'))('the lab', () => {
  let directory: string;
  let stack: Stack;
  const envFile = `# mine\nDB_PASS='the first one'\nLOG_LEVEL=warn\n`;

  beforeAll(async () => {
    directory = copyForAll();
    writeFileSync(join(directory, '.env'), envFile);
    stack = new Stack({ directory, env: { COMPOSE_DISABLE_ENV_FILE: '0' } });
    await stack.up();
  });
  afterAll(async () => {
    await stack.destroy();
    rmSync(directory, { recursive: true });
  });

  const environment = () => ({
    ...stack.env,
    COMPOSE_PROJECT_NAME: stack.project,
    COMPOSE_FILE: 'compose.yml',
    COMPOSE_ENV_FILES: undefined,
  });
  const script = (name: string, ...args: string[]) =>
    new Script(directory, environment(), name, ...args);
  const startMigrating = (env: NodeJS.ProcessEnv = {}, ...args: string[]) => {
    const all = ['compose', 'run', '--rm', '--no-TTY', 'migrate', ...args];
    return new Command(directory, { ...environment(), ...env }, 'docker', ...all);
  };
  const migrate = (...args: string[]) => startMigrating({}, ...args).ended;
  const writeMigration = (name: string, statement: string) => {
    const file = join(directory, 'db/migrations', `${name}.sql`);
    const text = `-- migrate:up\nSET LOCAL lock_timeout = '500ms';\n${statement};\n`;
    writeFileSync(file, `${text}-- migrate:down\n`);
  };
  const sql = async (statement: string) => (await stack.sql(statement)).trim();
  const inFile = (name: string) => readFileSync(join(import.meta.dirname, 'schema', name), 'utf8');
  const storedPassword = () =>
    sql(`SELECT rolpassword FROM pg_authid WHERE rolname = 'taskapp_api'`);

  it('is the same after the migrations as in a new database, but for what is still in use', async () => {
    const file = '/docker-entrypoint-initdb.d/04_roles.sh';
    const printed = ['bash', file, '--print', '--keep-password'];
    const roles = await stack.compose('exec', '-T', 'db', ...printed);
    /** Makes a database as an earlier version did, and migrates it. Returns its schema. */
    const migrated = async (name: string, init: string) => {
      await sql(`CREATE DATABASE ${name}`);
      await stack.sql(roles, name);
      await stack.sql(init, name);
      expect(await startMigrating({ POSTGRES_DB: name }).ended).toMatchObject({ code: 0 });
      return (await stack.sql(inFile('catalogue.sql'), name)).trim().split('\n');
    };
    const now = (await stack.sql(inFile('catalogue.sql'))).trim().split('\n');
    expect(now).toContain('column idempotency_keys.request bytea NOT NULL');
    expect(now).toContain('extension pg_trgm');

    expect(await migrated('last', inFile('before-list.sql'))).toEqual(now);

    const old = await migrated('old', inFile('before-request.sql'));
    const only = (lines: string[], others: string[]) =>
      lines.filter((line) => !others.includes(line));
    // What the API of that version uses. A later version will remove it, and then this list.
    expect(only(old, now)).toEqual([
      expect.stringMatching(/^CREATE INDEX tasks_title_parts /),
      expect.stringMatching(/^CREATE TRIGGER hash_idempotency_request /),
      'column idempotency_keys.request bytea',
      'column idempotency_keys.status character varying(50)',
      'column idempotency_keys.title character varying(255)',
      'function hash_idempotency_request()',
    ]);
    expect(only(now, old)).toEqual(['column idempotency_keys.request bytea NOT NULL']);
  });

  const migrations = () =>
    ['db/migrations', 'docs/migrations'].flatMap((path) =>
      readdirSync(join(directory, path)).map((file) =>
        readFileSync(join(directory, path, file), 'utf8'),
      ),
    );

  it('lets no migration keep the API waiting', () => {
    const texts = migrations();
    const up = String.raw`^-- migrate:up\n(?:--.*\n)*`;
    const alone = up.replace('up', 'up transaction:false');
    const forms = [
      `${up}SET LOCAL lock_timeout = '500ms';\n`,
      String.raw`${alone}(?:CREATE|DROP) INDEX CONCURRENTLY [^;]+;\s+-- migrate:down\n$`,
      String.raw`${alone}DO \$\$\n[^]*\n +SET LOCAL lock_timeout = '500ms';\n[^]*\$\$;\s+-- migrate:down\n$`,
    ].map((form) => new RegExp(form));
    const waits = (text: string) => !forms.some((form) => form.test(text));
    expect(texts.filter(waits)).toEqual([]);
    const limit = `SET LOCAL lock_timeout = '500ms';\n`;
    const lock = 'LOCK TABLE tasks;\n';
    for (const statements of [
      `\n${lock}`,
      `\n${lock}${limit}`,
      `\n-- ${limit}${lock}`,
      ` transaction:false\n${limit}${lock}`,
      ` transaction:false\nDROP INDEX CONCURRENTLY a;\n${lock}`,
      ` transaction:false\nDO $$\nBEGIN\n    ${lock}END\n$$;\n`,
    ])
      expect(waits(`-- migrate:up${statements}\n-- migrate:down\n`)).toBe(true);
    expect(
      texts.filter((text) => /\bCREATE (?:UNIQUE )?INDEX (?!CONCURRENTLY)/.test(text)),
    ).toEqual([]);
  });

  it('has only migrations that can run again', () => {
    const once =
      /\bCREATE (?:FUNCTION|TRIGGER|(?:TABLE|EXTENSION|INDEX CONCURRENTLY) (?!IF))|^ALTER TABLE \w+ ADD COLUMN (?!IF)|\bDROP (?:FUNCTION|TRIGGER|TABLE|COLUMN|INDEX CONCURRENTLY) (?!IF)/m;
    expect(migrations().filter((text) => once.test(text))).toEqual([]);
  });

  it('mends the tables that pg_restore --clean brings back from an older dump', async () => {
    const inDb = ['exec', '-T', 'db'];
    const dump = ['pg_dump', '-Fc', '-U', 'taskapp', 'older'];
    const restore = ['pg_restore', '-U', 'taskapp', '-d', 'taskdb', '--clean', '--if-exists'];
    await sql('CREATE DATABASE older');
    await stack.sql(inFile('before-request.sql'), 'older');
    stack.composeWithInput(
      stack.composeWithInput(Buffer.alloc(0), ...inDb, ...dump),
      ...inDb,
      ...restore,
    );
    const status = async () => (await stack.fetch('/healthz')).status;
    expect(await migrate()).toMatchObject({ code: 0 }); // the list is that of the newer tables
    await expect.poll(status).toBe(503);
    expect(await migrate('--again')).toMatchObject({ code: 0 });
    await expect.poll(status).toBe(200);
    const { headers, ...post } = postJson({ title: 'with a key' });
    const created = await stack.fetch('/api/tasks', {
      ...post,
      headers: { ...headers, 'Idempotency-Key': 'new' },
    });
    expect(created.status).toBe(201);
  });

  it('brings columns and indexes to 200 000 rows under load, and does nothing twice', async () => {
    await sql(`
      DROP SCHEMA dbmate CASCADE;
      DROP TABLE tasks, idempotency_keys;
      DROP EXTENSION pg_trgm;
      ${inFile('before-request.sql')}`);
    // With a small index: a full one would take minutes. The other is to be built.
    await sql('DROP INDEX tasks_title_parts, idempotency_keys_created_at');
    await sql(`
      CREATE INDEX tasks_title_parts ON tasks
      USING gin (title gin_trgm_ops) WHERE id < 0`);
    await sql(`
      INSERT INTO idempotency_keys
      SELECT n::text, n, 'a', 'pending' FROM generate_series(1, 100000) n`);
    // As after an import.
    await sql(`INSERT INTO tasks (id, title) VALUES (1000000, 'imported')`);
    await sql(`
      INSERT INTO tasks (title)
      SELECT md5(n::text) || md5((-n)::text) FROM generate_series(1, 200000) n`);
    // As an interrupted build leaves it.
    await sql(`
      UPDATE pg_index SET indisvalid = false
      WHERE indexrelid = 'tasks_status_newest_first'::regclass`);
    writeMigration('20280101000000_note', 'ALTER TABLE tasks ADD COLUMN note TEXT');

    const load = new Load({ url: await stack.url() });
    // A long read delays the lock for the index, and a waiting lock would block all others.
    const reader = sql('BEGIN; SELECT FROM tasks LIMIT 1; SELECT pg_sleep(4); COMMIT');
    const first = startMigrating();
    // What the API of the last release does with a key.
    const key = 'INSERT INTO idempotency_keys VALUES (gen_random_uuid(), 1, $$a$$, $$b$$)';
    const keys = async () => {
      while (!hasEnded) await sql(`SET lock_timeout = '2s'; ${key}`);
    };
    let hasEnded = false;
    const keyed = keys();
    await first.says('tasks_title_search');
    expect(await migrate()).toMatchObject({
      code: 3,
      output: expect.stringContaining('another run is under way'),
    });
    const { code, output } = await first.ended;
    hasEnded = true;
    await keyed;
    await load.stop();
    await reader;

    expect([code, output]).toEqual([0, expect.stringContaining('trying again')]);
    expect(load.failures).toEqual([]);
    expect(load.slowestMs).toBeLessThan(1_000);
    console.log(`schema change: ${load.sent} requests, slowest ${Math.round(load.slowestMs)} ms`);

    const columns = () =>
      sql(`SELECT attname FROM pg_attribute WHERE attrelid = 'tasks'::regclass AND attnum > 0
        AND NOT attisdropped ORDER BY attnum`);
    expect((await columns()).split('\n')).toEqual(['id', 'title', 'status', 'created_at', 'note']);
    const indexes = () =>
      sql(`
        SELECT indexrelid::regclass, indexrelid, indisvalid FROM pg_index
        WHERE indrelid = 'tasks'::regclass ORDER BY 1`);
    const before = await indexes();
    const names = [
      'tasks_newest_first',
      'tasks_pkey',
      'tasks_status_newest_first',
      'tasks_title_parts', // for the API of the last release
      'tasks_title_search',
    ];
    expect(before.match(/^\w+/gm)?.toSorted()).toEqual(names);
    expect(before).not.toContain('|f');
    expect(await sql('SELECT count(*) FROM idempotency_keys WHERE request IS NULL')).toBe('0');
    expect(await sql(`SELECT nextval('tasks_id_seq') > 1000000`)).toBe('t');

    await sql('TRUNCATE tasks');
    expect(await migrate()).toMatchObject({ code: 0 });
    expect(await indexes()).toBe(before);
    expect(await sql('SELECT count(*) FROM tasks')).toBe('0'); // the seed is for a new database
  });

  it('says what is wrong with a migration, undoes it, and runs it once it is mended', async () => {
    writeMigration('20280101000001_a', 'CREATE TABLE a (b int);\nSELECT no_such_column');
    expect(await migrate()).toMatchObject({
      code: 1,
      output: expect.stringContaining('no_such_column'),
    });
    expect(await sql(`SELECT to_regclass('a')`)).toBe('');
    writeMigration('20280101000001_a', 'CREATE TABLE a (b int)');
    expect(await migrate()).toMatchObject({ code: 0 });
    expect(await sql(`SELECT has_table_privilege('taskapp_api', 'a', 'INSERT')`)).toBe('t');
    const may = `SELECT has_schema_privilege('taskapp_api', 'dbmate', 'USAGE')`;
    expect(await sql(may)).toBe('f');
  });

  it('ends the build of an index with its run, and builds it anew', async () => {
    const index = 'CREATE INDEX CONCURRENTLY IF NOT EXISTS tasks_title ON tasks (title)';
    writeFileSync(
      join(directory, 'db/migrations/20280101000002_title.sql'),
      `-- migrate:up transaction:false\n${index};\n\n-- migrate:down\n`,
    );
    const building = () => sql('SELECT count(*) FROM pg_stat_progress_create_index');
    const started = { timeout: 30_000 };
    // The build waits for this transaction, which is open for longer than the test may take.
    const writer = sql(`BEGIN; INSERT INTO tasks (title) VALUES ('a'); SELECT pg_sleep(110)`);
    const ended = writer.catch(() => 'ended below');
    const locked = `SELECT count(*) FROM pg_locks WHERE relation = 'tasks'::regclass`;
    await expect.poll(() => sql(locked), started).not.toBe('0');
    const killed = startMigrating();
    await expect.poll(building, started).toBe('1');
    const labels = [`project=${stack.project}`, 'service=migrate'].flatMap((label) => [
      '--filter',
      `label=com.docker.compose.${label}`,
    ]);
    await docker('kill', (await docker('ps', '--quiet', ...labels)).trim());
    await killed.ended;
    await expect.poll(building, { timeout: 20_000 }).toBe('0');
    await sql(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'BEGIN; INSERT%'`,
    );
    expect(await ended).toBe('ended below');
    expect(await migrate()).toMatchObject({ code: 0 });
    const isValid = `SELECT indisvalid FROM pg_index WHERE indexrelid = 'tasks_title'::regclass`;
    expect(await sql(isValid)).toBe('t');
  });

  it('leaves db alone, whatever the settings say of it now, and waits until it answers', async () => {
    const before = (await stack.inspect('db')).Id;
    await stack.compose('stop', 'db');
    const run = startMigrating({ MONITOR_PASS: 'another' });
    await run.says('the database does not answer');
    expect((await stack.inspect('db')).State.Status).toBe('exited');
    await stack.compose('start', 'db');
    expect(await run.ended).toMatchObject({ code: 0 });
    expect((await stack.inspect('db')).Id).toBe(before);
    await expect
      .poll(async () => (await stack.fetch('/healthz')).status, { timeout: 30_000 })
      .toBe(200);
  });

  it('changes role and .env together, and a later schema change keeps the password', async () => {
    const before = await storedPassword();
    const rotation = script('rotate-password.sh', '--stdin');
    rotation.input('n€w $one #2: "\n');
    expect(await rotation.ended).toMatchObject({ code: 0 });
    expect(readFileSync(join(directory, '.env'), 'utf8')).toBe(
      envFile.replace('the first one', 'n€w $one #2: "'),
    );
    const after = await storedPassword();
    expect(after).not.toBe(before);
    expect((await stack.fetch('/healthz')).status).toBe(200);

    expect(await migrate()).toMatchObject({ code: 0 });
    expect(await storedPassword()).toBe(after);
  });

  it('has the old password, and an API, after a session was lost in the middle', async () => {
    const before = {
      role: await storedPassword(),
      env: readFileSync(join(directory, '.env'), 'utf8'),
    };
    const rotation = script('rotate-password.sh');
    await rotation.says('api-1  Removed');
    rotation.hangUp();
    expect((await rotation.ended).code).not.toBe(0);
    expect(await storedPassword()).toBe(before.role);
    expect(readFileSync(join(directory, '.env'), 'utf8')).toBe(before.env);
    expect((await stack.fetch('/healthz')).status).toBe(200);
  });
});
