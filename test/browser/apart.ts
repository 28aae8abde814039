// Chromium on a network of its own, where only the site answers. On the network of the machine it
// drops the requests under way whenever a container starts or stops (ERR_NETWORK_CHANGED).
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer, type ListenOptions, type NetConnectOpts } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const program = join(import.meta.dirname, 'apart.sh');

/** Whether this user may make a network. */
export function canBeApart(): boolean {
  return spawnSync(program, ['--check'], { env: environment('', '', 0) }).status === 0;
}

const environment = (chromium: string, socket: string, port: number) => ({
  ...process.env,
  NODE: process.execPath,
  CHROMIUM: chromium,
  SITE_SOCKET: socket,
  SITE_PORT: String(port),
});

/** Passes each connection on. */
async function forward(from: ListenOptions, to: NetConnectOpts) {
  const server = createServer((client) => {
    const onward = connect(to);
    client.on('error', () => onward.destroy()).pipe(onward);
    onward.on('error', () => client.destroy()).pipe(client);
  });
  server.listen(from);
  await once(server, 'listening');
  return server;
}

/** How to launch Chromium for a site at a port of 127.0.0.1. */
export async function apart(chromium: string, port: number) {
  const directory = mkdtempSync(join(tmpdir(), 'taskapp-network-'));
  const socket = join(directory, 'socket'); // a file, which both networks see
  const server = await forward({ path: socket }, { host: '127.0.0.1', port });
  const close = () => {
    server.close();
    rmSync(directory, { recursive: true });
  };
  const launch = { executablePath: program, env: environment(chromium, socket, port) };
  return { launch, close };
}

/** Within the new network: listens where the site does on the machine's, then runs Chromium. */
async function main(args: string[]): Promise<void> {
  const { CHROMIUM = '', SITE_SOCKET = '', SITE_PORT } = process.env;
  if (args[0] === '--check') return;
  await forward({ host: '127.0.0.1', port: Number(SITE_PORT) }, { path: SITE_SOCKET });
  // 3 and 4 are the pipes by which Playwright talks to it.
  const child = spawn(CHROMIUM, args, { stdio: ['inherit', 'inherit', 'inherit', 3, 4] });
  const [code] = (await once(child, 'exit')) as [number | null];
  process.exit(code ?? 1);
}

if (import.meta.main) await main(process.argv.slice(2));
