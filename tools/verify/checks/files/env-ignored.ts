import type { Definition } from '../../check.ts';
import { leaksIn } from '../../leaks.ts';
import { envFileNames } from '../../project-files.ts';
import { say } from '../../texts.ts';
import { faultsOfGit } from './git.ts';

export const check: Definition = {
  id: 'files.env-ignored',
  chapter: 'Environment and secrets',
  points: 2,
  async run(project) {
    const faults = await faultsOfGit(project, ['.env', ...envFileNames(project)]);
    if (faults.length > 0) return faults;
    // .env may not exist yet.
    const ignored = await project.git('check-ignore', '--quiet', '--no-index', '.env');
    if (ignored?.code !== 0) return [say('files.env-ignored.not-ignored')];
    return (await leaksIn(project, 'settings')).map(({ fault }) => fault);
  },
};
