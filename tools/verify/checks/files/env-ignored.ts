import { type Check, snippet } from '../../check.ts';
import { leaksIn } from '../../leaks.ts';
import { envFileNames } from '../../project-files.ts';
import { faultsOfGit } from './git.ts';

export const check: Check = {
  id: 'files.env-ignored',
  title: '.env is not in git, and cannot get there by mistake',
  chapter: 'Environment and secrets',
  points: 2,
  why: 'What was once in git stays in its history, in every clone.',
  fix: snippet`
    printf '.env\\n.env.*\\n!.env.example\\n' >> .gitignore
    git rm --cached .env    # and change the passwords that were in it
  `,
  async run(project) {
    const faults = await faultsOfGit(project, ['.env', ...envFileNames(project)]);
    if (faults.length > 0) return faults;
    // .env may not exist yet.
    const ignored = await project.git('check-ignore', '--quiet', '--no-index', '.env');
    if (ignored?.code !== 0) return ['.gitignore does not name .env'];
    return (await leaksIn(project, 'settings')).map(({ fault }) => fault);
  },
};
