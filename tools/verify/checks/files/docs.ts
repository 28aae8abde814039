import { statSync } from 'node:fs';
import { join } from 'node:path';
import type { Definition } from '../../check.ts';
import { readText } from '../../project-files.ts';
import type { Project } from '../../project.ts';
import { say } from '../../texts.ts';
import { documentsOf, isDocument, pathsOf } from './documents.ts';
import { type Section, sectionsOf, textWithoutHeadings } from './sections.ts';

export const check: Definition = {
  id: 'files.docs',
  chapter: 'What comes next',
  points: 1,
  run(project) {
    const sections = documentsOf(project).flatMap((path) => partsOf(project, path));
    const covers = (subject: RegExp) =>
      sections.some(({ heading, text }) => subject.test(heading) && saysSomething(text));
    const architecture = /architect/i;
    const drawings = pathsOf(project).filter(
      (path) => !isDocument(path) && architecture.test(path),
    );
    const isDrawn = drawings.some((path) => statSync(join(project.directory, path)).size > 0);
    const faults: string[] = [];
    if (!covers(architecture) && !isDrawn) faults.push(say('files.docs.no-architecture'));
    if (!covers(/operat|runbook|troubleshoot|back ?up|restore/i))
      faults.push(say('files.docs.no-operation'));
    return faults;
  },
};

/** A document as a whole, whose heading is its path, and its sections. */
function partsOf(project: Project, path: string): Section[] {
  const text = readText(project, path);
  return [{ heading: path, text: textWithoutHeadings(text) }, ...sectionsOf(text)];
}

/** There is a picture or a link, or at least a sentence. */
const saysSomething = (text: string) =>
  text.includes('](') || (text.match(/[\p{L}\d]+/gu) ?? []).length >= 5;
