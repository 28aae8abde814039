// What must not be in git.
import { relative } from 'node:path';
import { type Check, snippet } from '../check.ts';
import { pathsInGit } from '../git-files.ts';
import { dumpsInGit, leaksIn } from '../leaks.ts';
import { initFiles } from '../tree.ts';
import type { Model } from '../model.ts';
import { composeModel, productionModel } from '../compose.ts';
import type { Project } from '../project.ts';
import { envFileNames } from '../project-files.ts';

const envIgnored: Check = {
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

/** Which of the files git has, or would add. Throws NotApplicable outside a work tree. */
async function faultsOfGit(project: Project, paths: string[]): Promise<string[]> {
  const found = await pathsInGit(project, ...paths);
  return found.map((path) => `${path} is in git, or would be after the next git add .`);
}

const secretsIgnored: Check = {
  id: 'files.secrets-ignored',
  title: 'Files with secrets are not in git',
  chapter: 'Environment and secrets',
  points: 1,
  why: 'Everybody who has a clone knows a secret that is in git, or was once in a commit.',
  fix: snippet`
    echo secrets/ >> .gitignore
    git rm --cached -r secrets    # and make new secrets: the history keeps the old ones
  `,
  async run(project) {
    const inside = await secretPaths(project);
    const files = inside.length === 0 ? [] : await faultsOfGit(project, inside);
    const init = (await initFiles(project)).map((path) => relative(project.directory, path));
    const dumps = await dumpsInGit(project, init);
    return [
      ...files,
      ...(await leaksIn(project, 'other')).map(({ fault }) => fault),
      ...dumps.map((path) => `${path} is a dump of a database`),
    ];
  },
};

/** The files with secrets, of development and of production, that are in the directory. */
async function secretPaths(project: Project): Promise<string[]> {
  const model = await composeModel(project);
  const production = await productionModel(project).catch(() => undefined);
  const files = [...secretFiles(model), ...(production ? secretFiles(production) : [])];
  const paths = new Set(files.map((file) => relative(project.directory, file)));
  return [...paths].filter((path) => !path.startsWith('..'));
}

const secretFiles = ({ secrets = {} }: Model): string[] =>
  Object.values(secrets).flatMap(({ file }) => file ?? []);

export const filesInGit: Check[] = [envIgnored, secretsIgnored];
