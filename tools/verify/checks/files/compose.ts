import type { Check } from '../../check.ts';
import { baseFile } from '../../project-files.ts';

export const check: Check = {
  id: 'files.compose',
  title: 'There is a Compose file',
  chapter: 'Compose basics',
  points: 1,
  why: 'It describes the stack: without it nobody else can start it.',
  fix: 'Name it compose.yml and put it in the directory of the project.',
  run: (project) =>
    baseFile(project) === undefined ? [`no compose.yml in ${project.directory}`] : [],
};
