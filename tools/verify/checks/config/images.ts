import type { Definition } from '../../check.ts';
import { wholeModel } from '../../compose.ts';
import { isPinned } from '../../images.ts';
import { say } from '../../texts.ts';

export const check: Definition = {
  id: 'config.images',
  chapter: 'CI/CD and tags',
  points: 2,
  async run(project) {
    const faults: string[] = [];
    for (const [service, { image, build }] of Object.entries(
      (await wholeModel(project)).services,
    )) {
      if (image === undefined || build || isPinned(image)) continue;
      faults.push(say('config.images.no-version', { service, image }));
    }
    return faults;
  },
};
