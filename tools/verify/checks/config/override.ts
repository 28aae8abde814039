import { isDeepStrictEqual } from 'node:util';
import type { Definition } from '../../check.ts';
import { baseOf, chosenFiles, defaultAndBase, isProduction } from '../../compose.ts';
import { overrideFile } from '../../project-files.ts';
import type { Project } from '../../project.ts';
import { say } from '../../texts.ts';

export const check: Definition = {
  id: 'config.override',
  chapter: 'Overrides and profiles',
  points: 2,
  async run(project) {
    if (!hasOverride(project)) return [say('config.override.missing')];
    const [byDefault, base] = await defaultAndBase(project);
    if (!isDeepStrictEqual(byDefault, base)) return [];
    return [say('config.override.not-loaded', { file: baseOf(project) })];
  },
};

/** There is a file of the usual name, or COMPOSE_FILE names another one for development. */
function hasOverride(project: Project): boolean {
  if (overrideFile(project) !== undefined) return true;
  return chosenFiles(project).length > 1 && !isProduction(project);
}
