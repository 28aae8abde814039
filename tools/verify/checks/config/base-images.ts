import type { Definition } from '../../check.ts';
import { wholeModel } from '../../compose.ts';
import { baseImages, isPinned } from '../../images.ts';
import { say } from '../../texts.ts';

export const check: Definition = {
  id: 'config.base-images',
  chapter: 'CI/CD and tags',
  points: 1,
  async run(project) {
    const faults: string[] = [];
    for (const [service, settings] of Object.entries((await wholeModel(project)).services)) {
      const unpinned = baseImages(settings).filter((image) => !isPinned(image));
      for (const image of unpinned)
        faults.push(say('config.base-images.no-version', { service, image }));
    }
    return faults;
  },
};
