import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { pino } from 'pino';
import { collectDefaultMetrics, Registry } from 'prom-client';
import { createApp, type Phase } from './app.ts';
import { type Config, ConfigError, readConfig } from './config.ts';
import { openDb } from './db.ts';
import { type Listener, listen } from './listen.ts';
import { startForgetting } from './tasks/idempotency.ts';

const config = configOrExit();
const log = pino({
  level: config.LOG_LEVEL,
  base: null,
  timestamp: () => `,"time":"${new Date().toISOString()}"`,
  formatters: { level: (level) => ({ level }) },
});
process.on('uncaughtException', (err) => {
  log.fatal({ err }, 'unforeseen error, the process ends');
  process.exit(1);
});

const db = openDb(config, log);
const { version } = JSON.parse(
  readFileSync(new URL('../package.json', import.meta.url), 'utf8'),
) as { version: string };
const registry = new Registry();
collectDefaultMetrics({ register: registry }); // of the process: CPU time, memory, the event loop's lag
let phase: Phase = 'serving';
const app = createApp({
  db,
  log,
  version,
  apiToken: config.API_TOKEN,
  replica: config.HOSTNAME,
  page: config.PAGE_DIR,
  phase: () => phase,
  registry,
});

const listening = listen(config.PORT, app, config.HOST).then(
  (listener) => {
    process.send?.({ address: listener.address }); // to `npm start`
    log.info(
      `listening on port ${config.PORT}, database ${config.DB_HOST}:${config.DB_PORT}/${config.DB_NAME}`,
    );
    startForgetting(db, log);
    return listener;
  },
  (error: NodeJS.ErrnoException) => {
    console.error(`taskapp: ${cannotListen(error, config)}`);
    process.exit(1);
  },
);

process.on('SIGTERM', () => void shutDown({ graceful: true }));
process.on('SIGINT', () => void shutDown({ graceful: false }));
process.on('disconnect', () => void shutDown({ graceful: false })); // started by `npm start`, which is gone

/**
 * Ends the process with exit code 0 after all requests in flight are answered. Graceful means that
 * no request of the proxy fails either. Closing the port is not enough for that: the kernel resets
 * the connections that it has taken and we have not, and the proxy cannot know what became of a
 * POST on one of them. So the proxy is first told, by an answer, to ask another replica.
 */
async function shutDown({ graceful }: { graceful: boolean }): Promise<void> {
  if (phase !== 'serving') {
    if (!graceful) process.exit(1); // asked again, and not to wait
    return;
  }
  phase = 'draining';
  log.info(graceful ? 'draining' : 'stopping');
  setTimeout(() => process.exit(1), 20_000).unref(); // Docker kills after 30 s

  const listener = await listening;
  if (graceful) {
    await connectionsClosed(listener, 6_000); // longer than the proxy keeps an idle one
    phase = 'leaving';
    await sleep(3_000);
  }
  const closed = listener.close();
  setInterval(() => listener.closeIdleConnections(), 100).unref(); // those whose last request was in flight until now
  await closed;
  await db.close();
  log.info('stopped');
  process.exit(0);
}

async function connectionsClosed(listener: Listener, atMostMs: number): Promise<void> {
  const deadline = Date.now() + atMostMs;
  while (Date.now() < deadline && (await listener.connections()) > 0) await sleep(100);
}

function cannotListen(error: NodeJS.ErrnoException, { PORT, HOST }: Config): string {
  const onPort = `cannot listen on PORT ${PORT}: ${error.message}`;
  switch (error.code) {
    case 'EADDRINUSE':
      return `${onPort}; stop what uses it or set another PORT`;
    case 'EACCES':
      return `${onPort}; set a PORT of 1024 or more`;
    default:
      return (
        `cannot listen on HOST ${HOST ?? '(unset)'}: ${error.message}; ` +
        'set HOST to an address of this machine, such as 127.0.0.1, or to 0.0.0.0 for all'
      );
  }
}

function configOrExit(): Config {
  try {
    return readConfig(process.env);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    console.error(`taskapp: ${error.message}`);
    process.exit(1);
  }
}
