import { statSync } from 'node:fs';
import { join } from 'node:path';
import { type Check, snippet } from '../../check.ts';
import { readText } from '../../project-files.ts';
import type { Project } from '../../project.ts';
import { documentsOf, isDocument, pathsOf } from './documents.ts';
import { type Section, sectionsOf, textWithoutHeadings } from './sections.ts';

export const check: Check = {
  id: 'files.docs',
  title: 'Documents describe the architecture and how to operate it',
  chapter: 'What comes next',
  points: 1,
  why:
    'At night nobody reads code: ' +
    'whoever is on call needs the picture, the commands and the known faults.',
  fix: snippet`
    # docs/architecture.md: services, networks, data
    # docs/operations.md: start, back up, restore, troubleshoot
  `,
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
    if (!covers(architecture) && !isDrawn) faults.push('no document covers the architecture');
    if (!covers(/operat|runbook|troubleshoot|back ?up|restore/i))
      faults.push('no document covers operation, backup or troubleshooting');
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
