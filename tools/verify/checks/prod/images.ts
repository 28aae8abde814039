import { type Check, snippet } from '../../check.ts';
import { isProduction, productionModel } from '../../compose.ts';
import { isPinned } from '../../images.ts';
import { productionFile } from '../../project-files.ts';

export const check: Check = {
  id: 'prod.images',
  title: 'No image in production is latest, including those built here',
  chapter: 'CI/CD and tags',
  points: 2,
  why: 'With latest, nobody can tell what runs, or go back to what ran before.',
  fix: snippet`
    image: ghcr.io/me/taskapp-api:\${TAG:?is not set}
    # and in .env, for each release:
    TAG=1.0.0
  `,
  async run(project) {
    const faults: string[] = [];
    // Without a file for production, the labs build on the server what they run there.
    const mayBuild = !isProduction(project) && productionFile(project) === undefined;
    for (const [name, { image }] of Object.entries((await productionModel(project)).services)) {
      if (image === undefined && !mayBuild) faults.push(`${name} is built, and has no image: tag`);
      if (image !== undefined && !isPinned(image)) faults.push(`${name} runs ${image}`);
    }
    return faults;
  },
};
