// One real PostgreSQL for each worker of the API's tests, set up by db/init: a container of the
// image in compose.yml where a Docker Engine answers, else the embedded one.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { startEmbeddedPostgres } from '../../local/embedded.ts';
import { engineFault } from '../../test/lib/engine.ts';
import { memoryDirectory } from '../../test/lib/memory.ts';

interface Server {
  /** DB_HOST and its siblings, as the API reads them from its environment. */
  database: Record<string, string>;
  /** The same for the owner of the database, for tests that need more than the API may. */
  owner: Record<string, string>;
}

declare module 'vitest' {
  interface ProvidedContext {
    /** One for each worker. */
    servers: Server[];
  }
}

const root = join(import.meta.dirname, '../..');

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const fault = engineFault();
  console.log(
    `api suite: PostgreSQL ${fault ? 'embedded, as there is no engine' : 'in a container'}`,
  );
  const workers = Array.from({ length: project.config.maxWorkers });
  const started = await Promise.all(workers.map(fault ? startEmbedded : startContainer));
  project.provide(
    'servers',
    started.map(({ env, owner }) => ({ database: env, owner: { ...env, ...owner } })),
  );
  return async () => void (await Promise.all(started.map(({ stop }) => stop())));
}

async function startContainer() {
  process.env.TESTCONTAINERS_RYUK_DISABLED ??= 'true'; // stopped below
  const { GenericContainer, Wait } = await import('testcontainers');
  const image = /image: \$\{POSTGRES_IMAGE:-(.+)\}/.exec(
    readFileSync(join(root, 'compose.yml'), 'utf8'),
  )?.[1];
  if (!image) throw new Error('compose.yml names no POSTGRES_IMAGE');
  const login = { DB_USER: 'taskapp_api', DB_PASS: 'api-test' };
  const initialised = 'psql -h 127.0.0.1 -U taskapp -d taskdb -Atc "SHOW taskapp.initialised"';
  const container = await new GenericContainer(process.env.POSTGRES_IMAGE ?? image)
    .withEnvironment({
      POSTGRES_DB: 'taskdb',
      POSTGRES_USER: 'taskapp',
      POSTGRES_PASSWORD: 'owner-test',
      POSTGRES_INITDB_ARGS: '--locale-provider=builtin --builtin-locale=C.UTF-8',
      ...login,
    })
    .withBindMounts([
      { source: join(root, 'db/init'), target: '/docker-entrypoint-initdb.d', mode: 'ro' },
    ])
    .withTmpFs({ '/var/lib/postgresql/data': '' })
    .withExposedPorts(5432)
    // No health check: it would go on as long as the container.
    .withWaitStrategy(Wait.forSuccessfulCommand(initialised))
    .start();
  const env = {
    DB_HOST: container.getHost(),
    DB_PORT: String(container.getMappedPort(5432)),
    DB_NAME: 'taskdb',
    ...login,
  };
  const owner = { DB_USER: 'taskapp', DB_PASS: 'owner-test' };
  return {
    env,
    owner,
    stop: async () => void (await container.stop({ remove: true, removeVolumes: true })),
  };
}

async function startEmbedded() {
  const directory = mkdtempSync(join(memoryDirectory(), 'taskapp-test-'));
  const { env, owner, stop } = await startEmbeddedPostgres(directory);
  return {
    env,
    owner,
    stop: async () => {
      await stop();
      rmSync(directory, { recursive: true });
    },
  };
}
