import type { Definition } from '../../check.ts';
import { findService, wholeModel } from '../../compose.ts';
import { allContainers, serviceNameOf } from '../../containers.ts';
import type { Container, Service } from '../../model.ts';
import { say } from '../../texts.ts';

export const check: Definition = {
  id: 'network.published',
  chapter: 'Networks',
  points: 3,
  async *run(project) {
    const { services } = await wholeModel(project);
    const others = Object.entries(services).filter(([name]) => name !== 'web');
    const containers = await allContainers(project).catch(() => []);
    const otherContainers = containers.filter((container) => serviceNameOf(container) !== 'web');
    yield* new Set([
      ...others.flatMap(publishedByModel),
      ...otherContainers.flatMap(publishedByContainer),
    ]);
    const { ports = [] } = await findService(project, 'web');
    if (ports.length === 0) yield say('network.published.web-is-not');
  },
};

const isLocal = (address: string | undefined) =>
  address !== undefined && /^(127\.|::1$)/.test(address);

function publishedByModel([service, { ports = [], network_mode }]: [string, Service]): string[] {
  if (network_mode === 'host') return [say('shared.host-network', { service })];
  const open = ports.filter((port) => !isLocal(port.host_ip));
  return open.map(({ host_ip: address = '0.0.0.0', published: port = '' }) =>
    say('network.published.by-model', { service, address, port }),
  );
}

function publishedByContainer(container: Container): string[] {
  const bindings = Object.values(container.NetworkSettings.Ports).flatMap((list) => list ?? []);
  const open = bindings.filter(({ HostIp }) => !isLocal(HostIp));
  const service = serviceNameOf(container);
  return open.map(({ HostIp, HostPort: port }) =>
    say('network.published.by-container', { service, address: HostIp || '0.0.0.0', port }),
  );
}
