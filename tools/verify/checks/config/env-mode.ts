import { statSync } from 'node:fs';
import { join } from 'node:path';
import type { Definition } from '../../check.ts';
import { NotApplicable } from '../../errors.ts';
import { envFileNames } from '../../project-files.ts';
import { say } from '../../texts.ts';

export const check: Definition = {
  id: 'config.env-mode',
  chapter: 'Environment and secrets',
  points: 1,
  run(project) {
    const names = envFileNames(project);
    if (names.length === 0) throw new NotApplicable(say('config.env-mode.no-env'));
    const faults: string[] = [];
    for (const file of names) {
      const mode = statSync(join(project.directory, file)).mode & 0o777;
      if ((mode & 0o077) === 0) continue;
      faults.push(say('config.env-mode.open', { file, mode: mode.toString(8) }));
    }
    return faults;
  },
};
