import { once } from 'node:events';
import { createServer, connect, type Server, type Socket } from 'node:net';
import { pino } from 'pino';
import supertest from 'supertest';
import { inject, onTestFinished } from 'vitest';
import { type AppOptions, createApp } from '../src/app.ts';
import { readConfig } from '../src/config.ts';
import { type Db, openDb } from '../src/db.ts';

export interface Task {
  id: number;
  title: string;
  status: string;
  created_at: string;
}

const silent = pino({ level: 'silent' });

/** A pool on the test database, closed after the test. `overrides` replaces variables, such as DB_PORT. */
export function database(overrides: Record<string, string> = {}): Db {
  const db = openDb(readConfig({ ...inject('database'), ...overrides }), silent);
  onTestFinished(() => db.close());
  return db;
}

/** The API with a supertest client in front. */
export function api(options: Partial<AppOptions> = {}): ReturnType<typeof supertest> {
  return supertest(createApp({ db: options.db ?? database(), log: silent, version: '1.2.3', ...options }));
}

/** Text that no other test uses. */
export const unique = (prefix: string) => `${prefix} ${crypto.randomUUID()}`;

export async function createTask(client: ReturnType<typeof api>, task: Partial<Task> = {}): Promise<Task> {
  const response = await client.post('/api/tasks').send({ title: unique('task'), ...task }).expect(201);
  return (response.body as { task: Task }).task;
}

/**
 * A TCP proxy in front of the test database, for the faults that a network can have. `hold` keeps the server's answers
 * on the connections of now back, `cut` breaks them.
 */
export async function faultyNetwork(): Promise<{ env: Record<string, string>; hold: () => void; cut: () => void }> {
  const { DB_HOST, DB_PORT } = inject('database');
  const sockets = new Set<Socket>();
  let held = new Set<Socket>();
  const proxy: Server = createServer((client) => {
    const server = connect(Number(DB_PORT), DB_HOST);
    for (const socket of [client, server]) {
      sockets.add(socket);
      socket.on('error', () => {}).on('close', () => [client, server].forEach((end) => end.destroy()));
    }
    client.pipe(server);
    server.on('data', (chunk) => held.has(server) || client.write(chunk));
  });
  proxy.listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  const { port } = proxy.address() as { port: number };
  const cut = () => sockets.forEach((socket) => socket.destroy());
  onTestFinished(() => {
    cut();
    proxy.close();
  });
  return { env: { DB_HOST: '127.0.0.1', DB_PORT: String(port) }, hold: () => (held = new Set(sockets)), cut };
}
