import { fileExists, fileNames } from '../../project-files.ts';
import type { Project } from '../../project.ts';

/** The paths of the documents in the project's directory and in docs. */
export function documentsOf(project: Project): string[] {
  const docs = fileExists(project, 'docs') ? fileNames(project, 'docs') : [];
  const paths = [...fileNames(project), ...docs.map((name) => `docs/${name}`)];
  return paths.filter((path) => /\.(?:md|txt|rst|adoc)$|^readme$/i.test(path));
}
