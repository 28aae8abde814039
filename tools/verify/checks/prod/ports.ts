import type { Definition } from '../../check.ts';
import { productionModel } from '../../compose.ts';
import { always } from '../../model.ts';
import { say } from '../../texts.ts';

export const check: Definition = {
  id: 'prod.ports',
  chapter: 'Production patterns',
  points: 2,
  async run(project) {
    const faults: string[] = [];
    for (const [service, { ports = [], network_mode }] of always(await productionModel(project))) {
      if (service === 'web') continue;
      const published = ports.map((port) => port.published).join();
      if (ports.length > 0) faults.push(say('prod.ports.published', { service, ports: published }));
      if (network_mode === 'host') faults.push(say('shared.host-network', { service }));
    }
    return faults;
  },
};
