import { type Check, snippet } from '../check.ts';
import { allContainers, serviceNameOf } from '../containers.ts';
import { NotPossible } from '../errors.ts';
import { type Container, type Service, shared, type Tier } from '../model.ts';
import { findService, wholeModel } from '../compose.ts';
import { reachedFrom } from '../postgres.ts';
import type { Project } from '../project.ts';

async function faultsOfSharing(project: Project, a: Tier, b: Tier): Promise<string[]> {
  const networks = shared(await findService(project, a), await findService(project, b));
  return networks.length > 0 ? [] : [`${a} and ${b} have no network in common`];
}

const front: Check = {
  id: 'network.front',
  title: 'web and api share a network',
  chapter: 'Networks',
  points: 1,
  why: 'Containers can find each other by name only on a network that they share.',
  fix: snippet`
    web:
      networks: [frontend]
    api:
      networks: [frontend, backend]
  `,
  run: (project) => faultsOfSharing(project, 'web', 'api'),
};

const back: Check = {
  id: 'network.back',
  title: 'api and db share a network',
  chapter: 'Networks',
  points: 1,
  why: 'Containers can find each other by name only on a network that they share.',
  fix: snippet`
    api:
      networks: [frontend, backend]
    db:
      networks: [backend]
  `,
  run: (project) => faultsOfSharing(project, 'api', 'db'),
};

const separate: Check = {
  id: 'network.separate',
  title: 'web and db share no network',
  chapter: 'Networks',
  points: 3,
  why: 'Everybody can reach nginx. An attacker who controls it must not reach the database.',
  fix: snippet`
    web:
      networks: [frontend]
    db:
      networks: [backend]
    networks:
      frontend:
      backend:
  `,
  async run(project) {
    const web = await findService(project, 'web');
    const db = await findService(project, 'db');
    const faults = shared(web, db).map((name) => `web and db are both in ${name}`);
    for (const [name, { network_mode: mode }] of Object.entries({ web, db }))
      if (mode !== undefined) faults.push(`${name} has network_mode: ${mode}`);
    return faults;
  },
};

const apiReachesDb: Check = {
  id: 'network.api-reaches-db',
  title: 'api can connect to db, by address',
  chapter: 'Networks',
  points: 1,
  why: 'It is the control: without it, a refused connection in the next check proves nothing.',
  fix: snippet`
    docker compose exec api getent hosts db    # the address
    # Are both in the network backend?
  `,
  async run(project) {
    const addresses = await reachedFrom(project, 'api');
    return addresses.length > 0
      ? []
      : ['db accepts no connection from api, at any of its addresses'];
  },
};

const webCannotReachDb: Check = {
  id: 'network.web-cannot-reach-db',
  title: 'web cannot connect to db, by address',
  chapter: 'Networks',
  points: 3,
  why: 'That web cannot resolve the name db is no protection: addresses can be guessed.',
  fix: 'Take web out of every network of db, then run docker compose up -d.',
  async run(project) {
    const control = await reachedFrom(project, 'api');
    if (control.length === 0)
      throw new NotPossible('api cannot reach db either, so this would prove nothing');
    const addresses = await reachedFrom(project, 'web');
    return addresses.map((address) => `db accepts a connection from web at ${address}`);
  },
};

const publishedPorts: Check = {
  id: 'network.published',
  title: 'Only web is published to the world, other ports on 127.0.0.1',
  chapter: 'Networks',
  points: 3,
  why: 'A published port bypasses the firewall of the host: the database would be on the internet.',
  fix: snippet`
    ports:
      - 127.0.0.1:5432:5432
  `,
  async run(project) {
    const { services } = await wholeModel(project);
    const others = Object.entries(services).filter(([name]) => name !== 'web');
    const containers = await allContainers(project).catch(() => []);
    const otherContainers = containers.filter((container) => serviceNameOf(container) !== 'web');
    const faults = new Set([
      ...others.flatMap(publishedByModel),
      ...otherContainers.flatMap(publishedByContainer),
    ]);
    const { ports = [] } = await findService(project, 'web');
    return [...(ports.length === 0 ? ['web publishes no port'] : []), ...faults];
  },
};

const isLocal = (address: string | undefined) =>
  address !== undefined && /^(127\.|::1$)/.test(address);

function publishedByModel([name, { ports = [] }]: [string, Service]): string[] {
  const open = ports.filter((port) => !isLocal(port.host_ip));
  return open.map(
    ({ host_ip = '0.0.0.0', published = '' }) => `${name} publishes ${host_ip}:${published}`,
  );
}

function publishedByContainer(container: Container): string[] {
  const bindings = Object.values(container.NetworkSettings.Ports).flatMap((list) => list ?? []);
  const open = bindings.filter(({ HostIp }) => !isLocal(HostIp));
  const service = serviceNameOf(container);
  return open.map(
    ({ HostIp, HostPort }) =>
      `${service} is running with ${HostIp || '0.0.0.0'}:${HostPort} published`,
  );
}

export const network: Check[] = [
  front,
  back,
  separate,
  apiReachesDb,
  webCannotReachDb,
  publishedPorts,
];
