import { relative } from 'node:path';
import type { Project } from '../../project.ts';
import { filesBelow } from '../../tree.ts';

/** The path of every file of the project, below its directory. */
export const pathsOf = ({ directory }: Project): string[] =>
  filesBelow(directory).map((path) => relative(directory, path));

/** True for the name of a text that people read. */
export const isDocument = (path: string): boolean =>
  /\.(?:md|txt|rst|adoc)$|(?:^|\/)readme$/i.test(path);

/** The paths of the documents, wherever they lie. */
export const documentsOf = (project: Project): string[] => pathsOf(project).filter(isDocument);
