import { type Check, snippet } from '../../check.ts';
import { readText } from '../../project-files.ts';
import { documentsOf } from './documents.ts';

export const check: Check = {
  id: 'files.readme',
  title: 'A README or another document says how to start the stack',
  chapter: 'Composing the app',
  points: 1,
  why: 'Somebody else, or you in six months, has only this file to go by.',
  fix: snippet`
    # README.md
    ## Start it
        docker compose up -d --build
  `,
  run(project) {
    const paths = documentsOf(project);
    if (paths.length === 0) return ['no README.md'];
    const saysHow = paths.some((path) => /\bcompose\b.*\bup\b/.test(readText(project, path)));
    return saysHow ? [] : [`none of ${paths.join(', ')} mentions docker compose up`];
  },
};
