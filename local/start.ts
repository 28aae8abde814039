// `npm start`: the API with the web page on an embedded PostgreSQL, without Docker. The data stays
// in .data/.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { EmbeddedPostgresError, startEmbeddedPostgres } from './embedded.ts';

const root = join(import.meta.dirname, '..');

if (process.argv.includes('--help') || process.argv.includes('-h')) {
  console.log(`Usage: npm start

Runs the API with the web page on an embedded PostgreSQL with its data in .data/. Ctrl-C stops both.
Environment: PORT (8080), LOG_LEVEL (warn), API_TOKEN or API_TOKEN_FILE (unset)
             HOST (127.0.0.1: this machine only; 0.0.0.0: also others on the network, who can
             change the tasks unless API_TOKEN is set)`);
  process.exit(0);
}

const port = process.env.PORT || '8080';
const host = process.env.HOST || '127.0.0.1';
// The handlers stay: npm passes Ctrl-C on, so it may arrive twice, and the second one must not end
// us before the database.
const stopped = new Promise((resolve) => {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, resolve);
});

try {
  console.log('taskapp: starting PostgreSQL, data in .data/ (the first time takes a few seconds)');
  const db = await startEmbeddedPostgres(join(root, '.data'));
  try {
    process.exitCode = await runApi(db.env, db.ended);
  } finally {
    await db.stop();
  }
  console.log('taskapp: stopped');
} catch (error) {
  if (!(error instanceof EmbeddedPostgresError)) throw error;
  console.error(`taskapp: ${error.message}`);
  process.exitCode = 1;
}
process.exit(); // the signal handlers would keep waiting

/** Runs the API until it ends, a signal arrives or the database ends. Resolves to the exit code. */
async function runApi(dbEnv: Record<string, string>, dbEnded: Promise<void>): Promise<number> {
  const unset = { DB_PASS_FILE: '', DB_SSL: '', DB_SSL_CA: '' }; // of another database
  const api = spawn(process.execPath, [join(root, 'local/server.ts')], {
    env: { LOG_LEVEL: 'warn', ...process.env, ...dbEnv, ...unset, HOST: host },
    // Through 'ipc' we learn when the API listens, and the API learns when we are gone.
    stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
    detached: true, // Ctrl-C reaches this process only: it stops the API first, then the database
  });
  const ended = once(api, 'close').then(([code]) => (code as number | null) ?? 1);

  api.once('message', (message) => {
    const { address } = message as { address: string };
    const everywhere = address === '::' || address === '0.0.0.0';
    const url = `http://${everywhere ? '127.0.0.1' : bracketed(address)}:${port}`;
    console.log(
      `taskapp: ready on ${url}; try curl -sS ${url}/api/tasks, or a browser    (Ctrl-C stops it)`,
    );
    if (everywhere) console.log(`taskapp: HOST is ${host}: other machines reach the app as well`);
  });
  const reason = await Promise.race([
    ended,
    stopped.then(() => 'signal'),
    dbEnded.then(() => 'database'),
  ]);
  if (typeof reason === 'number') {
    if (api.signalCode) console.error(`taskapp: the API was killed (${api.signalCode})`);
    return reason;
  }
  if (reason === 'database') console.error('taskapp: PostgreSQL ended; see .data/postgres.log');
  // The API answers what is in flight, then ends. On SIGTERM it would first wait for a proxy.
  api.kill('SIGINT');
  const code = await ended;
  return reason === 'signal' ? code : 1;
}

function bracketed(address: string): string {
  return address.includes(':') ? `[${address}]` : address;
}
