import type { Definition } from '../../check.ts';
import { productionModel } from '../../compose.ts';
import { always } from '../../model.ts';
import { say } from '../../texts.ts';

export const check: Definition = {
  id: 'prod.limits',
  chapter: 'Production patterns',
  points: 3,
  async run(project) {
    const faults: string[] = [];
    for (const [service, { deploy, mem_limit, cpus }] of always(await productionModel(project))) {
      const set = deploy?.resources?.limits ?? {};
      if (!(set.memory ?? mem_limit)) faults.push(say('prod.limits.no-memory-limit', { service }));
      if (!(set.cpus ?? cpus)) faults.push(say('prod.limits.no-cpu-limit', { service }));
    }
    return faults;
  },
};
