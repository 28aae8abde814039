import { pathsInGit } from '../../git-files.ts';
import type { Project } from '../../project.ts';
import { say } from '../../texts.ts';

/** Which of the files git has, or would add. Throws NotApplicable outside a work tree. */
export async function faultsOfGit(project: Project, paths: string[]): Promise<string[]> {
  const found = await pathsInGit(project, ...paths);
  return found.map((path) => say('shared.in-git', { path }));
}
