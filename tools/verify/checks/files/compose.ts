import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Check } from '../../check.ts';
import { baseOf } from '../../compose.ts';

export const check: Check = {
  id: 'files.compose',
  title: 'There is a Compose file',
  chapter: 'Compose basics',
  points: 1,
  why: 'It describes the stack: without it nobody else can start it.',
  fix: 'Name it compose.yml and put it in the directory of the project.',
  run(project) {
    const file = baseOf(project);
    const exists = file !== undefined && existsSync(resolve(project.directory, file));
    return exists ? [] : [`no ${file ?? 'compose.yml'} in ${project.directory}`];
  },
};
