import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Definition } from '../../check.ts';
import { baseOf } from '../../compose.ts';
import { say } from '../../texts.ts';

export const check: Definition = {
  id: 'files.compose',
  chapter: 'Compose basics',
  points: 1,
  run(project) {
    const { directory } = project;
    const file = baseOf(project) ?? 'compose.yml';
    const exists = existsSync(resolve(directory, file));
    return exists ? [] : [say('files.compose.missing', { file, directory })];
  },
};
