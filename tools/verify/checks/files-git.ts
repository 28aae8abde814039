// What must not be in git.
import { relative } from 'node:path';
import { type Check, snippet } from '../check.ts';
import { NotApplicable } from '../errors.ts';
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
    return ignored?.code === 0 ? [] : ['.gitignore does not name .env'];
  },
};

/** Which of the files git has, or would add. Throws NotApplicable outside a work tree. */
async function faultsOfGit(project: Project, paths: string[]): Promise<string[]> {
  const tracked = ['--cached', '--others', '--exclude-standard'];
  const listed = await project.git('ls-files', '-z', ...tracked, '--', ...paths);
  if (!listed) throw new NotApplicable('not in a git work tree');
  const found = listed.stdout.toString().split('\0').filter(Boolean);
  return found.map((path) => `${path} is in git, or would be after the next git add .`);
}

const secretsIgnored: Check = {
  id: 'files.secrets-ignored',
  title: 'Files with secrets are not in git',
  chapter: 'Environment and secrets',
  points: 1,
  why: 'Everybody who has a clone knows a secret that is in git.',
  fix: snippet`
    echo secrets/ >> .gitignore
    git rm --cached -r secrets    # and make new secrets
  `,
  async run(project) {
    const model = await composeModel(project);
    const production = await productionModel(project).catch(() => undefined);
    const files = [...secretFiles(model), ...(production ? secretFiles(production) : [])];
    const paths = new Set(files.map((file) => relative(project.directory, file)));
    const inside = [...paths].filter((path) => !path.startsWith('..'));
    if (inside.length === 0) throw new NotApplicable('no secret is a file of the project');
    return faultsOfGit(project, inside);
  },
};

const secretFiles = ({ secrets = {} }: Model): string[] =>
  Object.values(secrets).flatMap(({ file }) => file ?? []);

export const filesInGit: Check[] = [envIgnored, secretsIgnored];
