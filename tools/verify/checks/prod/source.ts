import { relative } from 'node:path';
import type { Definition } from '../../check.ts';
import { productionModel } from '../../compose.ts';
import { NotPossible } from '../../errors.ts';
import { hasFilesOfProject } from '../../git-files.ts';
import { workingDirectory } from '../../images.ts';
import type { Service } from '../../model.ts';
import { say } from '../../texts.ts';

export const check: Definition = {
  id: 'prod.source',
  chapter: 'Production patterns',
  points: 2,
  async *run(project) {
    const { api } = (await productionModel(project)).services;
    if (!api) throw new NotPossible(say('shared.no-service', { service: 'api' }));
    const { volumes = [] } = api;
    for (const { type, source = '', target } of volumes) {
      if (type !== 'bind' || !(await hasFilesOfProject(project, source))) continue;
      if (isSource(api, source, target)) yield say('prod.source.mounted', { source, target });
    }
  },
};

/** What the image is built from, and what lies where the program runs: not a setting elsewhere. */
function isSource({ build, working_dir }: Service, from: string, target: string): boolean {
  if (!build) return true;
  const directory = working_dir ?? workingDirectory(build);
  const { context } = build;
  return isWithin(from, context) || isWithin(context, from) || isWithin(target, directory);
}

const isWithin = (path: string, directory: string) =>
  !relative(directory, path).split('/').includes('..');
