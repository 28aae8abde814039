import { lookup } from 'node:dns/promises';
import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo, ListenOptions } from 'node:net';
import { answerParseError, trackResponse } from './parse-errors.ts';

/** The open port. */
export interface Listener {
  /** As the system reports it: `::` or `0.0.0.0` means all addresses. */
  address: string;
  /** How many connections are open. */
  connections(): Promise<number>;
  /** Closes the connections that have no request in progress. */
  closeIdleConnections(): void;
  /** Refuses new connections. Resolves when every open one has closed. */
  close(): Promise<void>;
}

// In each turn of the event loop, libuv accepts one connection per socket. In a busy process the
// turns are long. With a single socket, new connections would wait until the proxy gave up and
// answered 504. With SO_REUSEPORT the kernel spreads them over many sockets.
const sockets = process.platform === 'linux' ? 64 : 1;

/**
 * Serves HTTP on a port of the host's address, or of all addresses if no host is given. Rejects
 * with the system's error, such as EADDRINUSE.
 */
export async function listen(
  port: number,
  handler: RequestListener,
  host?: string,
): Promise<Listener> {
  // Resolve once: a name may have several addresses, and all sockets must use the same one.
  const given = host === undefined ? undefined : (await lookup(host)).address;
  const options = {
    // Longer than the proxy's 5 s, so that the proxy closes idle connections first. If we closed
    // one while the proxy was sending a request on it, the client would get 504, unless the request
    // was a read, which the proxy repeats.
    keepAliveTimeout: 75_000,
    headersTimeout: 80_000,
    requestTimeout: 90_000,
  };
  const tracked: RequestListener = (req, res) => {
    trackResponse(req, res);
    handler(req, res);
  };
  const servers = Array.from({ length: sockets }, () =>
    createServer(options, tracked).on('clientError', answerParseError),
  );

  // The probe does not share the port, so it fails if another process has the port, shared or not.
  const probe = createServer();
  await opened(probe, { port, host: given });
  const { address } = probe.address() as AddressInfo;
  await closed(probe);
  const shared = { port, host: given, backlog: 4_096, reusePort: sockets > 1 };
  await Promise.all(servers.map((server) => opened(server, shared)));

  return {
    address,
    connections: async () =>
      (await Promise.all(servers.map(connectionsOf))).reduce((sum, count) => sum + count, 0),
    closeIdleConnections: () => servers.forEach((server) => server.closeIdleConnections()),
    close: async () => void (await Promise.all(servers.map(closed))),
  };
}

const opened = (server: Server, options: ListenOptions) =>
  once(server.listen(options), 'listening');
const closed = (server: Server) => new Promise((resolve) => server.close(resolve));
const connectionsOf = (server: Server) =>
  new Promise<number>((resolve) => server.getConnections((_error, count) => resolve(count)));
