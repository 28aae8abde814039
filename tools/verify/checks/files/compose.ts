import type { Definition } from '../../check.ts';
import { baseFile } from '../../project-files.ts';
import { say } from '../../texts.ts';

export const check: Definition = {
  id: 'files.compose',
  chapter: 'Compose basics',
  points: 1,
  run: (project) =>
    baseFile(project) === undefined
      ? [say('files.compose.missing', { directory: project.directory })]
      : [],
};
