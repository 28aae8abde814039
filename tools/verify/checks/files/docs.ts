import { type Check, snippet } from '../../check.ts';
import { readText } from '../../project-files.ts';
import { documentsOf } from './documents.ts';

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
    const documents = documentsOf(project);
    const lines = documents.flatMap((path) => readText(project, path).split('\n'));
    const subjects = [...documents, ...lines.filter((line) => line.startsWith('#'))];
    const has = (subject: RegExp) => subjects.some((line) => subject.test(line));
    const faults: string[] = [];
    if (!has(/architect/i)) faults.push('no document or heading covers the architecture');
    if (!has(/operat|runbook|troubleshoot|back ?up|restore/i))
      faults.push('no document or heading covers operation, backup or troubleshooting');
    return faults;
  },
};
