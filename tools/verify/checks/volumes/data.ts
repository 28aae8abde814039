import type { Definition } from '../../check.ts';
import { faultsOfData } from '../../data-volume.ts';

export const check: Definition = {
  id: 'volumes.data',
  chapter: 'Volumes',
  points: 3,
  run: faultsOfData,
};
