import { type Check, snippet } from '../../check.ts';
import { productionModel } from '../../compose.ts';
import { always } from '../../model.ts';

export const check: Check = {
  id: 'prod.ports',
  title: 'Nothing but web is published in production',
  chapter: 'Production patterns',
  points: 2,
  why:
    'The ports of development bypass nginx, ' +
    'and everybody with a login on the server can reach 127.0.0.1.',
  fix: snippet`
    # publish api and db in compose.override.yml only: production does not load it
    adminer:
      profiles: [debug]    # starts only when somebody asks for it
  `,
  async run(project) {
    const faults: string[] = [];
    const services = always(await productionModel(project));
    for (const [name, service] of services) {
      if (name === 'web') continue;
      const published = service.ports?.map((port) => port.published) ?? [];
      if (published.length > 0) faults.push(`${name} publishes ${published.join()}`);
      if (service.network_mode === 'host')
        faults.push(`${name} is in the network of the host, with all its ports`);
    }
    return faults;
  },
};
