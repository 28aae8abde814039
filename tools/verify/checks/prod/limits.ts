import { type Check, snippet } from '../../check.ts';
import { productionModel } from '../../compose.ts';
import { always } from '../../model.ts';

export const check: Check = {
  id: 'prod.limits',
  title: 'Every service has a memory limit and a CPU limit in production',
  chapter: 'Production patterns',
  points: 3,
  why:
    'Without limits, one service with a leak takes all the memory, ' +
    'and the kernel kills whichever process it likes.',
  fix: snippet`
    deploy:
      resources:
        limits: { cpus: "0.50", memory: 256M }
  `,
  async run(project) {
    const faults: string[] = [];
    for (const [name, { deploy, mem_limit, cpus }] of always(await productionModel(project))) {
      const set = deploy?.resources?.limits ?? {};
      if (!(set.memory ?? mem_limit)) faults.push(`${name} has no memory limit`);
      if (!(set.cpus ?? cpus)) faults.push(`${name} has no CPU limit`);
    }
    return faults;
  },
};
