import { isDeepStrictEqual } from 'node:util';
import { type Check, snippet } from '../../check.ts';
import { baseOf, chosenFiles, defaultAndBase, isProduction } from '../../compose.ts';
import { overrideFile } from '../../project-files.ts';
import type { Project } from '../../project.ts';

export const check: Check = {
  id: 'config.override',
  title: 'The override is loaded by default, but not with -f compose.yml',
  chapter: 'Overrides and profiles',
  points: 2,
  why:
    'Development settings, such as mounted source and open ports, ' +
    'should apply without a thought, and never in production.',
  fix: snippet`
    # compose.override.yml
    services:
      api:
        volumes: [./api:/app:ro]
        ports: [127.0.0.1:8080:8080]
  `,
  async run(project) {
    if (!hasOverride(project)) return ['there is no compose.override.yml'];
    const [byDefault, base] = await defaultAndBase(project);
    if (!isDeepStrictEqual(byDefault, base)) return [];
    return [
      `without -f the model is the same as with -f ${baseOf(project)}: ` +
        'the override changes nothing, or COMPOSE_FILE in .env leaves it out',
    ];
  },
};

/** There is a file of the usual name, or COMPOSE_FILE names another one for development. */
function hasOverride(project: Project): boolean {
  if (overrideFile(project) !== undefined) return true;
  return chosenFiles(project).length > 1 && !isProduction(project);
}
