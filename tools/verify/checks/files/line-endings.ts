import { relative } from 'node:path';
import type { Definition } from '../../check.ts';
import { NotApplicable } from '../../errors.ts';
import { say } from '../../texts.ts';
import { filesBelow, initFiles, textOf } from '../../tree.ts';

export const check: Definition = {
  id: 'files.line-endings',
  chapter: 'Composing the app',
  points: 1,
  async run(project) {
    const scripts = filesBelow(project.directory).filter(isScript);
    const all = new Set([...scripts, ...(await initFiles(project))]);
    if (all.size === 0) throw new NotApplicable(say('files.line-endings.no-such-files'));
    const withCrlf = [...all].filter((path) => textOf(path).includes('\r\n'));
    const paths = withCrlf.map((path) => relative(project.directory, path));
    return paths.map((path) => say('files.line-endings.crlf', { path }));
  },
};

/** A shell reads the file, by its name or by its first line. */
const isScript = (path: string) =>
  /\.(?:sh|bash|envsh)$/.test(path) || textOf(path).startsWith('#!');
