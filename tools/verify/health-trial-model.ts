// The containers in which health checks are tried: as their services are, except for the command.
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { composeModel } from './compose.ts';
import { imageOf } from './containers.ts';
import type { HealthCheck, Service } from './model.ts';
import type { Project } from './project.ts';

/** What a check is tried against: nothing listens, or everything is answered with 503. */
export type Situation = 'nothing' | '503';

/** Names the service that a container stands for. */
export const label = 'dev.verify';
/** The service that answers with 503. */
export const answering = 'verify-answers-503';

/** A Compose model with two containers for each check. */
export async function trialModel(
  project: Project,
  checks: [string, HealthCheck][],
): Promise<object> {
  const model = await composeModel(project);
  const services: Record<string, object> = {};
  const ports = new Set(['80', '8080']);
  for (const [name, { test = [] }] of checks) {
    const service = model.services[name] ?? {};
    const trial = await trialOf(project, name, service, test);
    for (const port of portsIn(service, test)) ports.add(port);
    const labels = { [label]: name };
    const alone = { ...trial, network_mode: 'none' };
    services[`${name}-nothing`] = {
      ...alone,
      labels: { ...labels, [`${label}.against`]: 'nothing' },
    };
    const beside = { ...trial, network_mode: `service:${answering}` };
    services[`${name}-503`] = { ...beside, labels: { ...labels, [`${label}.against`]: '503' } };
  }
  services[answering] = await answeringService(project);
  const { secrets = {}, configs = {} } = model;
  const conf = { content: configurationFor(ports) };
  return { services, secrets, configs: { ...configs, [answering]: conf } };
}

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
  const settings = { environment, user, working_dir, tmpfs, secrets, configs, group_add };
  const { Id: image } = await imageOf(project, name);
  const volumes = (service.volumes ?? []).filter(isReadable);
  return {
    ...Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined)),
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

/** Whatever may be a port in a check, or in the settings that it may use. */
function portsIn({ environment = {} }: Service, test: string[]): string[] {
  const texts = [...test, ...Object.values(environment)].join(' ');
  const numbers = texts.match(/\b[1-9]\d{1,4}\b/g) ?? [];
  return numbers.filter((port) => Number(port) < 65_536);
}

function configurationFor(ports: Set<string>): string {
  const text = readFileSync(join(import.meta.dirname, 'health-trial.conf'), 'utf8');
  const listen = [...ports].map((port) => `listen ${port};`).join(' ');
  return text.replace('include ports;', listen);
}

/** nginx, from the image of web. It does not start if that image has none. */
async function answeringService(project: Project): Promise<object> {
  const { Id: image } = await imageOf(project, 'web');
  return {
    image,
    pull_policy: 'never',
    network_mode: 'none',
    user: '0:0',
    entrypoint: ['nginx', '-c', '/verify.conf'],
    command: [],
    configs: [{ source: answering, target: '/verify.conf' }],
    healthcheck: { disable: true },
  };
}
