import { type Check, snippet } from '../../check.ts';
import { findService, wholeModel } from '../../compose.ts';
import { allContainers, serviceNameOf } from '../../containers.ts';
import type { Container, Service } from '../../model.ts';

export const check: Check = {
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

function publishedByModel([name, { ports = [], network_mode }]: [string, Service]): string[] {
  if (network_mode === 'host') return [`${name} is in the network of the host, with all its ports`];
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
