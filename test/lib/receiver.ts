// Receives what Alertmanager sends: webhooks, and mail from a client without TLS.
import { once } from 'node:events';
import { createServer as createHttpServer, type Server as HttpServer } from 'node:http';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { createInterface } from 'node:readline';

interface Alert {
  status: string;
  labels: Record<string, string>;
  annotations: Record<string, string>;
}
export interface Webhook {
  path: string;
  alerts: Alert[];
}

const portOf = (server: HttpServer | Server) => (server.address() as AddressInfo).port;

/** Listens on all addresses, so that a container can reach it. */
export class Receiver {
  readonly webhooks: Webhook[] = [];
  /** Whole mails, with their headers. */
  readonly mails: string[] = [];
  readonly #http: HttpServer;
  readonly #smtp: Server;

  private constructor() {
    this.#http = createHttpServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const { alerts } = JSON.parse(Buffer.concat(chunks).toString()) as { alerts: Alert[] };
        this.webhooks.push({ path: request.url ?? '', alerts });
        response.end();
      });
    });
    this.#smtp = createServer((socket) => this.#takeMail(socket));
  }

  static async start(): Promise<Receiver> {
    const receiver = new Receiver();
    for (const server of [receiver.#http, receiver.#smtp]) {
      server.listen(0, '0.0.0.0');
      await once(server, 'listening');
    }
    return receiver;
  }

  get httpPort(): number {
    return portOf(this.#http);
  }

  get smtpPort(): number {
    return portOf(this.#smtp);
  }

  /** The alerts that came to this path. */
  alerts(path: string): Alert[] {
    return this.webhooks.filter((hook) => hook.path === path).flatMap(({ alerts }) => alerts);
  }

  stop(): void {
    this.#http.closeAllConnections();
    this.#http.close();
    this.#smtp.close();
  }

  /** As much of SMTP as a client needs that sends a mail. */
  #takeMail(socket: Socket): void {
    let mail: string[] | undefined;
    const answer = (line: string) => socket.write(`${line}\r\n`);
    socket.on('error', () => {});
    answer('220 receiver');
    createInterface(socket).on('line', (line) => {
      if (mail) {
        if (line !== '.') return void mail.push(line);
        this.mails.push(mail.join('\n'));
        mail = undefined;
        answer('250 taken');
      } else if (line === 'DATA') {
        mail = [];
        answer('354 go on');
      } else if (line === 'QUIT') {
        answer('221 bye');
        socket.end();
      } else {
        answer('250 receiver');
      }
    });
  }
}
