import type { Check } from '../../check.ts';
import { wholeModel } from '../../compose.ts';
import { isPinned } from '../../images.ts';

export const check: Check = {
  id: 'config.images',
  title: 'Every image has a version, and none is latest',
  chapter: 'CI/CD and tags',
  points: 2,
  why:
    'latest is a different program tomorrow: ' +
    'a new major version of PostgreSQL does not even start on the old data.',
  fix: 'image: postgres:17-alpine',
  async run(project) {
    const faults: string[] = [];
    for (const [name, { image, build }] of Object.entries((await wholeModel(project)).services)) {
      if (image === undefined || build || isPinned(image)) continue;
      faults.push(`${name} uses ${image}`);
    }
    return faults;
  },
};
