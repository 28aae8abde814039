import type { Check } from '../../check.ts';
import { wholeModel } from '../../compose.ts';
import { baseImages, isPinned } from '../../images.ts';

export const check: Check = {
  id: 'config.base-images',
  title: 'The Dockerfiles start from images with a version',
  chapter: 'CI/CD and tags',
  points: 1,
  why: 'The same commit should build the same image next month.',
  fix: 'FROM python:3.13-slim',
  async run(project) {
    const faults: string[] = [];
    for (const [name, service] of Object.entries((await wholeModel(project)).services)) {
      const unpinned = baseImages(service).filter((image) => !isPinned(image));
      faults.push(...unpinned.map((image) => `${name} is built from ${image}`));
    }
    return faults;
  },
};
