import { statSync } from 'node:fs';
import { join } from 'node:path';
import type { Check } from '../../check.ts';
import { NotApplicable } from '../../errors.ts';
import { envFileNames } from '../../project-files.ts';

export const check: Check = {
  id: 'config.env-mode',
  title: 'Only its owner can read .env',
  chapter: 'Environment and secrets',
  points: 1,
  why: 'Otherwise every user and every program on the host can read the passwords.',
  fix: 'chmod 600 .env',
  run(project) {
    const names = envFileNames(project);
    if (names.length === 0) throw new NotApplicable('there is no .env');
    const faults: string[] = [];
    for (const name of names) {
      const mode = statSync(join(project.directory, name)).mode & 0o777;
      if ((mode & 0o077) !== 0) faults.push(`${name} has mode ${mode.toString(8)}`);
    }
    return faults;
  },
};
