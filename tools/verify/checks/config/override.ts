import { isDeepStrictEqual } from 'node:util';
import { type Check, snippet } from '../../check.ts';
import { defaultAndBase } from '../../compose.ts';
import { baseFile, overrideFile } from '../../project-files.ts';

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
    if (overrideFile(project) === undefined) return ['there is no compose.override.yml'];
    const [byDefault, base] = await defaultAndBase(project);
    if (!isDeepStrictEqual(byDefault, base)) return [];
    const file = baseFile(project);
    return [`without -f the model is the same as with -f ${file}: is COMPOSE_FILE set in .env?`];
  },
};
