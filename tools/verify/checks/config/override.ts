import { isDeepStrictEqual } from 'node:util';
import type { Definition } from '../../check.ts';
import { defaultAndBase } from '../../compose.ts';
import { baseFile, overrideFile } from '../../project-files.ts';
import { say } from '../../texts.ts';

export const check: Definition = {
  id: 'config.override',
  chapter: 'Overrides and profiles',
  points: 2,
  async run(project) {
    if (overrideFile(project) === undefined) return [say('config.override.missing')];
    const [byDefault, base] = await defaultAndBase(project);
    if (!isDeepStrictEqual(byDefault, base)) return [];
    return [say('config.override.not-loaded', { file: baseFile(project) })];
  },
};
