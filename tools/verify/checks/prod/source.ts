import { relative } from 'node:path';
import type { Check } from '../../check.ts';
import { productionModel } from '../../compose.ts';
import { NotPossible } from '../../errors.ts';
import { hasFilesOfProject } from '../../git-files.ts';
import { workingDirectory } from '../../images.ts';
import type { Service } from '../../model.ts';

export const check: Check = {
  id: 'prod.source',
  title: 'Production runs what is in the image: no source is mounted into api',
  chapter: 'Production patterns',
  points: 2,
  why: 'A mounted directory changes under the running service, whose version then says nothing.',
  fix: 'Mount the source in compose.override.yml only: production does not load it.',
  async run(project) {
    const { api } = (await productionModel(project)).services;
    if (!api) throw new NotPossible('there is no service api');
    const { volumes = [] } = api;
    const faults: string[] = [];
    for (const { type, source: from = '', target } of volumes) {
      if (type !== 'bind' || !(await hasFilesOfProject(project, from))) continue;
      if (isSource(api, from, target)) faults.push(`${from} is mounted at ${target}`);
    }
    return faults;
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
