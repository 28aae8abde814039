import { relative } from 'node:path';
import { type Check, snippet } from '../../check.ts';
import { NotApplicable } from '../../errors.ts';
import { filesBelow, initFiles, textOf } from '../../tree.ts';

export const check: Check = {
  id: 'files.line-endings',
  title: 'Scripts and init files end their lines with LF',
  chapter: 'Composing the app',
  points: 1,
  why: 'A clone on Windows has CRLF. Linux then looks for "bash\\r", and db does not start.',
  fix: snippet`
    echo '* text=auto eol=lf' >> .gitattributes    # for the next clone
    sed -i 's/\\r$//' FILE    # for each file above; or choose LF in the editor
  `,
  async run(project) {
    const scripts = filesBelow(project.directory).filter(isScript);
    const all = new Set([...scripts, ...(await initFiles(project))]);
    if (all.size === 0) throw new NotApplicable('there are no scripts and no init files');
    const withCrlf = [...all].filter((path) => textOf(path).includes('\r\n'));
    return withCrlf.map((path) => `${relative(project.directory, path)} has CRLF`);
  },
};

/** A shell reads the file, by its name or by its first line. */
const isScript = (path: string) =>
  /\.(?:sh|bash|envsh)$/.test(path) || textOf(path).startsWith('#!');
