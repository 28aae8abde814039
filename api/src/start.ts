import { readFileSync } from 'node:fs';
import { type Logger, pino } from 'pino';
import { collectDefaultMetrics, Registry } from 'prom-client';
import { type AppOptions, createApp } from './app.ts';
import { type Config, ConfigError, readConfig } from './config.ts';
import { openDb } from './db.ts';
import { type Listener, listen } from './listen.ts';
import { type Lifecycle, shutDownOnSignal } from './shutdown.ts';
import { startDeletingOldKeys } from './tasks/idempotency.ts';

/** Runs the API in this process until a signal ends it. */
export function startApi(extra: Pick<AppOptions, 'before'> = {}): void {
  const config = configOrExit();
  const log = openLog(config.LOG_LEVEL);
  const db = openDb(config, log);
  const registry = new Registry();
  collectDefaultMetrics({ register: registry }); // CPU time, memory, the event loop's lag
  const lifecycle: Lifecycle = { phase: 'serving' };
  const app = createApp({
    db,
    log,
    registry,
    version: packageVersion(),
    apiTokens: config.API_TOKEN,
    replica: config.HOSTNAME,
    phase: () => lifecycle.phase,
    ...extra,
  });

  const listening = listen(config.PORT, app, config.HOST).then(
    (listener) => announce(listener, config, log),
    (error: NodeJS.ErrnoException) => exit(cannotListen(error, config)),
  );
  void listening.then(() => startDeletingOldKeys(db, log));
  shutDownOnSignal(lifecycle, { listening, db, log });
}

function configOrExit(): Config {
  try {
    return readConfig(process.env);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return exit(error.message);
  }
}

function exit(reason: string): never {
  console.error(`taskapp: ${reason}`);
  process.exit(1);
}

function openLog(level: string): Logger {
  const log = pino({
    level,
    base: null,
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
    formatters: { level: (label) => ({ level: label }) },
  });
  process.on('uncaughtException', (err) => {
    log.fatal({ err }, 'unexpected error; exiting');
    process.exit(1);
  });
  return log;
}

function packageVersion(): string {
  const file = new URL('../package.json', import.meta.url);
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
}

function announce(listener: Listener, config: Config, log: Logger): Listener {
  process.send?.({ address: listener.address }); // to `npm start`
  const { PORT, DB_HOST, DB_PORT, DB_NAME } = config;
  log.info(`listening on port ${PORT}, database ${DB_HOST}:${DB_PORT}/${DB_NAME}`);
  return listener;
}

function cannotListen(error: NodeJS.ErrnoException, { PORT, HOST }: Config): string {
  const onPort = `cannot listen on PORT ${PORT}: ${error.message}`;
  switch (error.code) {
    case 'EADDRINUSE':
      return `${onPort}; stop the program that uses it, or set another PORT`;
    case 'EACCES':
      return `${onPort}; set a PORT of 1024 or more`;
    default:
      return (
        `cannot listen on HOST ${HOST ?? '(unset)'}: ${error.message}; ` +
        'set HOST to an address of this machine, such as 127.0.0.1, or to 0.0.0.0 for all of them'
      );
  }
}
