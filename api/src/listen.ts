import { lookup } from 'node:dns/promises';
import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo, ListenOptions } from 'node:net';
import { answerParseError, trackResponse } from './parse-errors.ts';

/** The open port. */
export interface Listener {
  /** The address that the system reports: `::` or `0.0.0.0` means all addresses. */
  address: string;
  /** How many connections are open. */
  connections(): Promise<number>;
  /** Closes those that have no request now. */
  closeIdleConnections(): void;
  /** Refuses new connections; resolves when the last one is closed. */
  close(): Promise<void>;
}

// libuv accepts one connection per listening socket and turn of the event loop. The turns of a busy process are long, so with one
// socket the connections that the proxy needs in a rush would wait longer than it does: 504, while those it has are served well.
// The kernel shares the connections of a port out to all sockets that have asked for it with SO_REUSEPORT.
const sockets = process.platform === 'linux' ? 64 : 1;

/**
 * Serves HTTP on a port of one address, or of all if no host is given. Rejects with the system's
 * error, such as EADDRINUSE.
 */
export async function listen(
  port: number,
  handler: RequestListener,
  host?: string,
): Promise<Listener> {
  // Resolve once: all sockets must use the same address of a name that has several.
  const given = host === undefined ? undefined : (await lookup(host)).address;
  const options = {
    // The proxy closes idle connections after 5 s. It must be the first to do so: a connection that we close while it
    // sends a request is a 502.
    keepAliveTimeout: 75_000,
    headersTimeout: 80_000,
    requestTimeout: 90_000,
  };
  const servers = Array.from({ length: sockets }, () =>
    createServer(options, handler).on('request', trackResponse).on('clientError', answerParseError),
  );

  const probe = createServer();
  // Otherwise another process that also shares the port would go unnoticed below.
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
