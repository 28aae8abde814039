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
    for (const [service, settings] of always(await productionModel(project))) {
      const published = settings.ports?.map((port) => port.published) ?? [];
      if (service !== 'web' && published.length > 0)
        faults.push(say('prod.ports.published', { service, ports: published.join() }));
    }
    return faults;
  },
};
