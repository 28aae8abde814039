import type { Definition } from '../../check.ts';
import { productionModel } from '../../compose.ts';
import { NotPossible } from '../../errors.ts';
import { hasFilesOfProject } from '../../git-files.ts';
import { say } from '../../texts.ts';

export const check: Definition = {
  id: 'prod.source',
  chapter: 'Production patterns',
  points: 2,
  async run(project) {
    const { api } = (await productionModel(project)).services;
    if (!api) throw new NotPossible(say('shared.no-service', { service: 'api' }));
    const { volumes = [] } = api;
    const faults: string[] = [];
    for (const { type, source = '', target } of volumes) {
      const isSource = type === 'bind' && (await hasFilesOfProject(project, source));
      if (isSource) faults.push(say('prod.source.mounted', { source, target }));
    }
    return faults;
  },
};
