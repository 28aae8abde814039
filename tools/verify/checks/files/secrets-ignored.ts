import { relative } from 'node:path';
import type { Definition } from '../../check.ts';
import { composeModel, productionModel } from '../../compose.ts';
import { dumpsInGit, leaksIn } from '../../leaks.ts';
import type { Model } from '../../model.ts';
import type { Project } from '../../project.ts';
import { say } from '../../texts.ts';
import { initFiles } from '../../tree.ts';
import { faultsOfGit } from './git.ts';

export const check: Definition = {
  id: 'files.secrets-ignored',
  chapter: 'Environment and secrets',
  points: 1,
  async *run(project) {
    const inside = await secretPaths(project);
    if (inside.length > 0) yield* await faultsOfGit(project, inside);
    yield* (await leaksIn(project, 'other')).map(({ fault }) => fault);
    const init = (await initFiles(project)).map((path) => relative(project.directory, path));
    const dumps = await dumpsInGit(project, init);
    yield* dumps.map((path) => say('files.secrets-ignored.dump', { path }));
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
