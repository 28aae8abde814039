import { type Check, NotPossible } from '../check.ts';
import { type Model, shared } from '../model.ts';
import type { Project } from '../project.ts';
import { reachedFrom } from '../reach.ts';

const isLocal = (address: string | undefined) =>
  address !== undefined && /^(127\.|::1$)/.test(address);

/** Published ports of services other than web that others can reach, as [service, address:port]. */
function published({ services }: Model): string[] {
  return Object.entries(services).flatMap(([name, { ports = [] }]) =>
    name === 'web'
      ? []
      : ports
          .filter((port) => !isLocal(port.host_ip))
          .map((port) => `${name} publishes ${port.host_ip ?? '0.0.0.0'}:${port.published ?? ''}`),
  );
}

async function bothIn(project: Project, a: 'web' | 'api', b: 'api' | 'db'): Promise<string[]> {
  return shared(await project.service(a), await project.service(b)).length > 0
    ? []
    : [`${a} and ${b} have no network in common`];
}

export const network: Check[] = [
  {
    id: 'network.front',
    title: 'web and api share a network',
    chapter: 'Networks',
    points: 1,
    why: 'Containers can find each other by name only on a network that they share.',
    fix: 'web:\n  networks: [frontend]\napi:\n  networks: [frontend, backend]',
    run: (project) => bothIn(project, 'web', 'api'),
  },
  {
    id: 'network.back',
    title: 'api and db share a network',
    chapter: 'Networks',
    points: 1,
    why: 'Containers can find each other by name only on a network that they share.',
    fix: 'api:\n  networks: [frontend, backend]\ndb:\n  networks: [backend]',
    run: (project) => bothIn(project, 'api', 'db'),
  },
  {
    id: 'network.separate',
    title: 'web and db share no network',
    chapter: 'Networks',
    points: 3,
    why: 'Everybody can reach nginx. An attacker who controls it must not reach the database.',
    fix: 'web:\n  networks: [frontend]\ndb:\n  networks: [backend]\nnetworks:\n  frontend:\n  backend:',
    run: async (project) => {
      const [web, db] = await Promise.all([project.service('web'), project.service('db')]);
      return [
        ...shared(web, db).map((name) => `web and db are both in ${name}`),
        ...Object.entries({ web, db }).flatMap(([name, { network_mode: mode }]) =>
          mode === undefined ? [] : [`${name} has network_mode: ${mode}`],
        ),
      ];
    },
  },
  {
    id: 'network.api-reaches-db',
    title: 'api can connect to db, by address',
    chapter: 'Networks',
    points: 1,
    why: 'It is the control: without it, a refused connection in the next check proves nothing.',
    fix: 'docker compose exec api getent hosts db    # the address\n# Are both in the network backend?',
    run: async (project) =>
      (await reachedFrom(project, 'api')).length > 0
        ? []
        : ['no address of db takes a connection from api'],
  },
  {
    id: 'network.web-cannot-reach-db',
    title: 'web cannot connect to db, by address',
    chapter: 'Networks',
    points: 3,
    why: 'That web cannot resolve the name db is no protection: addresses can be guessed.',
    fix: 'Take web out of every network of db, then run docker compose up -d.',
    run: async (project) => {
      if ((await reachedFrom(project, 'api')).length === 0)
        throw new NotPossible('api cannot reach db either, so that it would prove nothing');
      return (await reachedFrom(project, 'web')).map(
        (address) => `db takes a connection from web at ${address}`,
      );
    },
  },
  {
    id: 'network.published',
    title: 'Only web is published to the world, other ports on 127.0.0.1',
    chapter: 'Networks',
    points: 3,
    why: 'A published port bypasses the firewall of the host: the database would be on the internet.',
    fix: 'ports:\n  - 127.0.0.1:5432:5432',
    run: async (project) => {
      const model = await project.wholeModel();
      const containers = await project.containers().catch(() => []);
      const bindings = containers.flatMap(({ Config, NetworkSettings }) => {
        const service = Config.Labels['com.docker.compose.service'] ?? '';
        const open = Object.values(NetworkSettings.Ports)
          .flatMap((list) => list ?? [])
          .filter(({ HostIp }) => !isLocal(HostIp));
        return service === 'web'
          ? []
          : open.map(
              ({ HostIp, HostPort }) =>
                `${service} runs with ${HostIp || '0.0.0.0'}:${HostPort} published`,
            );
      });
      const web = (await project.service('web')).ports ?? [];
      return [
        ...(web.length === 0 ? ['web publishes no port'] : []),
        ...new Set([...published(model), ...bindings]),
      ];
    },
  },
];
