import type { Definition } from '../../check.ts';
import { readText } from '../../project-files.ts';
import { say } from '../../texts.ts';
import { documentsOf } from './documents.ts';

export const check: Definition = {
  id: 'files.docs',
  chapter: 'What comes next',
  points: 1,
  run(project) {
    const documents = documentsOf(project);
    const lines = documents.flatMap((path) => readText(project, path).split('\n'));
    const subjects = [...documents, ...lines.filter((line) => line.startsWith('#'))];
    const has = (subject: RegExp) => subjects.some((line) => subject.test(line));
    const faults: string[] = [];
    if (!has(/architect/i)) faults.push(say('files.docs.no-architecture'));
    if (!has(/operat|runbook|troubleshoot|back ?up|restore/i))
      faults.push(say('files.docs.no-operation'));
    return faults;
  },
};
