import type { Definition } from '../../check.ts';
import { isProduction, productionModel } from '../../compose.ts';
import { isPinned } from '../../images.ts';
import { productionFile } from '../../project-files.ts';
import { say } from '../../texts.ts';

export const check: Definition = {
  id: 'prod.images',
  chapter: 'CI/CD and tags',
  points: 2,
  async run(project) {
    const faults: string[] = [];
    // Without a file for production, the labs build on the server what they run there.
    const mayBuild = !isProduction(project) && productionFile(project) === undefined;
    for (const [service, { image }] of Object.entries((await productionModel(project)).services)) {
      if (image === undefined && !mayBuild) faults.push(say('prod.images.no-tag', { service }));
      if (image !== undefined && !isPinned(image))
        faults.push(say('prod.images.no-version', { service, image }));
    }
    return faults;
  },
};
