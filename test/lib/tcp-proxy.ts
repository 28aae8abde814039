import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

export interface Address {
  host: string;
  port: number;
}

interface Pair {
  client: Socket;
  server: Socket;
  isHeld: boolean;
}

/** A TCP proxy with the faults that a network can have. */
export class TcpProxy {
  /** Delays each chunk by so many milliseconds, in both directions. */
  delayMs = 0;
  /** The most that a connection passes on per second, in each direction. */
  bytesPerSecond = Infinity;
  /** Changes what the server sends. */
  rewrite = (chunk: Buffer): Buffer => chunk;
  readonly #listener: Server;
  readonly #pairs = new Set<Pair>();

  private constructor(target: Address) {
    this.#listener = createServer((client) => {
      const server = connect(target);
      const pair = { client, server, isHeld: false };
      this.#pairs.add(pair);
      for (const socket of [client, server]) {
        socket
          .on('error', () => {})
          .on('close', () => {
            if (pair.isHeld && socket === server) return; // half open: the client is not told
            this.#pairs.delete(pair);
            client.destroy();
            server.destroy();
          });
      }
      void this.#forward(client, server, pair);
      void this.#forward(server, client, pair);
    });
  }

  static async listen(target: Address, host = '127.0.0.1'): Promise<TcpProxy> {
    const proxy = new TcpProxy(target);
    proxy.#listener.listen(0, host);
    await once(proxy.#listener, 'listening');
    return proxy;
  }

  get address(): Address {
    const { address, port } = this.#listener.address() as { address: string; port: number };
    return { host: address, port };
  }

  /** Drops the server's answers on the present connections. What clients send still arrives. */
  hold(): void {
    for (const pair of this.#pairs) pair.isHeld = true;
  }

  /** Closes the server's ends of the present connections without telling the clients. */
  halfOpen(): void {
    this.hold();
    for (const { server } of this.#pairs) server.destroy();
  }

  /** Closes the present connections. */
  cut(): void {
    for (const { client, server } of this.#pairs)
      [client, server].forEach((socket) => socket.destroy());
  }

  /** The same with RST instead of FIN. */
  reset(): void {
    for (const { client, server } of this.#pairs)
      [client, server].forEach((socket) => socket.resetAndDestroy());
  }

  close(): void {
    this.#listener.close();
    for (const pair of this.#pairs) pair.isHeld = false;
    this.cut();
  }

  async #forward(from: Socket, to: Socket, pair: Pair): Promise<void> {
    try {
      for await (const chunk of from as AsyncIterable<Buffer>) {
        if (this.delayMs > 0) await sleep(this.delayMs);
        if (this.bytesPerSecond < Infinity)
          await sleep((chunk.length / this.bytesPerSecond) * 1_000);
        if (pair.isHeld && from === pair.server) continue;
        const passedOn = from === pair.server ? this.rewrite(chunk) : chunk;
        if (!to.write(passedOn)) await once(to, 'drain');
      }
    } catch {
      // The 'close' of one end closes both.
    }
  }
}
