// The containers in which health checks are tried: as their services are, except for the command.
import { statSync } from 'node:fs';
import { composeModel } from './compose.ts';
import { imageOf } from './containers.ts';
import { answering, openPorts, portsIn, serverImage, serverOn } from './health-trial-server.ts';
import type { HealthCheck, Service } from './model.ts';
import type { Project } from './project.ts';

/** What a check is tried against: nothing listens, or everything is answered with 503. */
export type Situation = 'nothing' | '503';

/** Names the service that a container stands for. */
export const label = 'dev.verify';

/** A Compose model with a container for each check and situation, and one that answers. */
export async function trialModel(
  project: Project,
  checks: [string, HealthCheck][],
): Promise<object> {
  const model = await composeModel(project);
  const { secrets = {}, configs = {} } = model;
  // Where no image of the stack can answer, only the trials without a server are left.
  const image = await serverImage(project);
  const services: Record<string, object> = {};
  const ports = new Set(['80', '8080']);
  for (const [name, { test = [] }] of checks) {
    const service = model.services[name] ?? {};
    const trial = await trialOf(project, name, service, test);
    for (const port of portsIn(service, test)) ports.add(port);
    services[`${name}-nothing`] = { ...trial, ...placed(name, 'nothing') };
    if (image) services[`${name}-503`] = { ...trial, ...placed(name, '503') };
  }
  if (image === undefined) return { services, secrets, configs };
  for (const port of await openPorts(project, image)) ports.add(port);
  const server = serverOn(ports, image);
  services[answering] = server.service;
  return { services, secrets, configs: { ...configs, ...server.configs } };
}

const placed = (name: string, against: Situation) => ({
  labels: { [label]: name, [`${label}.against`]: against },
  network_mode: against === 'nothing' ? 'none' : `service:${answering}`,
});

/** The service as it is, except that it runs its health check and nothing else. */
async function trialOf(
  project: Project,
  name: string,
  service: Service,
  test: string[],
): Promise<object> {
  const [kind, ...words] = test;
  const command = kind === 'CMD-SHELL' ? ['/bin/sh', '-c', ...words] : words;
  const { environment, user, working_dir, tmpfs, secrets, configs, group_add } = service;
  const { Id: image } = await imageOf(project, name);
  const volumes = (service.volumes ?? []).filter(isReadable);
  return {
    environment,
    user,
    working_dir,
    tmpfs,
    secrets,
    configs,
    group_add,
    image,
    pull_policy: 'never',
    entrypoint: command,
    command: [],
    healthcheck: { disable: true },
    logging: { driver: 'json-file', options: { 'max-size': '1m' } },
    mem_limit: '512m',
    pids_limit: 100,
    volumes: volumes.map((volume) => ({ ...volume, read_only: true })),
  };
}

type Volume = NonNullable<Service['volumes']>[number];

/** Files of the host. Not a volume, where the running service may have its data or a socket. */
function isReadable({ type, source = '' }: Volume): boolean {
  if (type !== 'bind') return false;
  const found = statSync(source, { throwIfNoEntry: false });
  return found !== undefined && !found.isSocket();
}
