// The server of the trials, and the ports that a health check may ask.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { composeModel } from './compose.ts';
import { allContainers, imageOf, isRunning } from './containers.ts';
import type { Service } from './model.ts';
import type { Project } from './project.ts';

/** The service that answers. */
export const answering = 'verify-answers';

/** Debian's images have perl, and Alpine's an nc that starts a program for each connection. */
const canServe = "command -v perl || nc --help 2>&1 | grep -e '-e PROG'";

/** An image of the stack in which the server can run; undefined if there is none. */
export async function serverImage(project: Project): Promise<string | undefined> {
  const { services } = await composeModel(project);
  const names = Object.keys(services);
  const images = await Promise.all(names.map((name) => imageOf(project, name).catch(() => null)));
  for (const id of new Set(images.flatMap((image) => image?.Id ?? []))) {
    const start = ['--network', 'none', '--user', '0:0', '--entrypoint', 'sh', id];
    const { code } = await run(project, [...start, '-c', canServe]);
    if (code === 0) return id;
  }
  return undefined;
}

const run = (project: Project, args: string[]) =>
  project.docker(['run', '--rm', '--pull', 'never', ...args]);

/** The service that answers every request on these ports with 503, and its configs. */
export function serverOn(ports: Set<string>, image: string) {
  const files = ['sh', 'pl'].map((kind) => ({ name: `${answering}-${kind}`, kind }));
  const service = {
    image,
    pull_policy: 'never',
    network_mode: 'none',
    user: '0:0',
    entrypoint: ['sh', '/verify.sh'],
    command: [...ports],
    configs: files.map(({ name, kind }) => ({ source: name, target: `/verify.${kind}` })),
    healthcheck: { disable: true },
  };
  const configs = files.map(({ name, kind }) => [name, { content: scriptOf(kind) }]);
  return { service, configs: Object.fromEntries(configs) as Record<string, object> };
}

/** Compose would take a dollar for the start of a variable. */
function scriptOf(kind: string): string {
  const text = readFileSync(join(import.meta.dirname, `health-trial.${kind}`), 'utf8');
  return text.replaceAll('$', '$$$$');
}

/** Whatever may be a port in a check, or in the settings that it may use. */
export function portsIn({ environment = {} }: Service, test: string[]): string[] {
  const texts = [...test, ...Object.values(environment)].join(' ');
  const numbers = texts.match(/\b[1-9]\d{1,4}\b/g) ?? [];
  return numbers.filter((port) => Number(port) < 65_536);
}

/** The ports on which the running containers listen: a check may have one from a script. */
export async function openPorts(project: Project, image: string): Promise<string[]> {
  const running = (await allContainers(project)).filter(isRunning);
  const tables = ['/proc/net/tcp', '/proc/net/tcp6'];
  const lists = await Promise.all(
    running.map(async ({ Id }) => {
      const beside = ['--network', `container:${Id}`, '--entrypoint', 'cat', image, ...tables];
      return listeningIn((await run(project, beside)).stdout.toString());
    }),
  );
  return lists.flat();
}

/** The ports in a table of the kernel, where 0A means "listening". */
function listeningIn(table: string): string[] {
  const lines = table.matchAll(/^\s*\d+: [\dA-F]+:([\dA-F]{4}) [\dA-F]+:0000 0A /gm);
  return [...lines].map(([, port = '']) => String(Number.parseInt(port, 16)));
}
