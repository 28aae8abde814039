import type { Check } from '../../check.ts';
import { productionModel } from '../../compose.ts';
import { NotPossible } from '../../errors.ts';
import { hasFilesOfProject } from '../../git-files.ts';

export const check: Check = {
  id: 'prod.source',
  title: 'Production runs what is in the image: no source is mounted into api',
  chapter: 'Production patterns',
  points: 2,
  why: 'A mounted directory changes under the running service, whose version then says nothing.',
  fix: 'Mount the source in compose.override.yml only: production does not load it.',
  async run(project) {
    const { api } = (await productionModel(project)).services;
    if (!api) throw new NotPossible('there is no service api');
    const { volumes = [] } = api;
    const faults: string[] = [];
    for (const { type, source: from = '', target } of volumes) {
      const isSource = type === 'bind' && (await hasFilesOfProject(project, from));
      if (isSource) faults.push(`${from} is mounted at ${target}`);
    }
    return faults;
  },
};
