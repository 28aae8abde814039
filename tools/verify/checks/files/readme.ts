import type { Definition } from '../../check.ts';
import { readText } from '../../project-files.ts';
import { say } from '../../texts.ts';
import { documentsOf } from './documents.ts';

export const check: Definition = {
  id: 'files.readme',
  chapter: 'Composing the app',
  points: 1,
  run(project) {
    const paths = documentsOf(project);
    if (paths.length === 0) return [say('files.readme.missing')];
    const saysHow = paths.some((path) => /\bcompose\b.*\bup\b/.test(readText(project, path)));
    return saysHow ? [] : [say('files.readme.no-start', { files: paths.join(', ') })];
  },
};
