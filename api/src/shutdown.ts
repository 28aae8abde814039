import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { Db } from './db.ts';
import type { Listener } from './listen.ts';

/**
 * While draining, the API still answers requests, but closes the connections. While leaving, it
 * answers 502.
 */
export type Phase = 'serving' | 'draining' | 'leaving';

/** What the application sees of the shutdown. */
export interface Lifecycle {
  phase: Phase;
}

interface Parts {
  listening: Promise<Listener>;
  db: Db;
  log: Logger;
}

/**
 * Shuts down on a signal. After SIGTERM, the API waits until the proxy has stopped using it. After
 * SIGINT, or when `npm start` has ended, it does not wait for the proxy.
 */
export function shutDownOnSignal(lifecycle: Lifecycle, parts: Parts): void {
  const shutDown = async (end: (parts: Parts) => Promise<void>, message: string) => {
    lifecycle.phase = 'draining';
    parts.log.info(message);
    setTimeout(() => process.exit(1), 20_000).unref(); // Docker kills after 30 s
    await end(parts);
    parts.log.info('stopped');
    process.exit(0);
  };
  const drain = () => {
    if (lifecycle.phase === 'serving')
      void shutDown((running) => leaveProxy(lifecycle, running), 'draining');
  };
  const stop = () => {
    if (lifecycle.phase !== 'serving') process.exit(1); // the second signal does not wait
    void shutDown(close, 'stopping');
  };
  process.on('SIGTERM', drain);
  process.on('SIGINT', stop);
  process.on('disconnect', stop);
}

/**
 * Ends without failing a request from the proxy. When a port closes, the kernel resets connections
 * that the process has not accepted yet, and the proxy cannot know what became of a POST on one of
 * them. So, before the port closes, every request gets 502, and the proxy asks another replica.
 */
async function leaveProxy(lifecycle: Lifecycle, parts: Parts): Promise<void> {
  await connectionsClosed(await parts.listening, 6_000); // the proxy closes idle ones after 5 s
  lifecycle.phase = 'leaving';
  await sleep(3_000);
  await close(parts);
}

/** Closes the port, waits for the requests in flight, then closes the database connections. */
async function close({ listening, db }: Parts): Promise<void> {
  const listener = await listening;
  const closed = listener.close();
  // Also closes the connections that become idle after the port has closed.
  setInterval(() => listener.closeIdleConnections(), 100).unref();
  await closed;
  await db.close();
}

async function connectionsClosed(listener: Listener, atMostMs: number): Promise<void> {
  const deadline = Date.now() + atMostMs;
  while (Date.now() < deadline && (await listener.connections()) > 0) await sleep(100);
}
