import { basename, join } from 'node:path';
import { type Check, snippet } from '../../check.ts';
import type { Project } from '../../project.ts';
import { textOf } from '../../tree.ts';
import { isDocument, pathsOf } from './documents.ts';

export const check: Check = {
  id: 'files.readme',
  title: 'A README or another document says how to start the stack',
  chapter: 'Composing the app',
  points: 1,
  why: 'Somebody else, or you in six months, has only what is written down to go by.',
  fix: snippet`
    # README.md
    ## Start it
        docker compose up -d --build
  `,
  run(project) {
    const all = pathsOf(project);
    const paths = all.filter(isDocument);
    if (paths.length === 0) return ['no README.md'];
    const texts = paths.map((path) => read(project, path));
    const others = all.filter((path) => !isDocument(path));
    const runs = (path: string) => starts(withoutComments(read(project, path)));
    const commands = others.filter(runs).map(commandOf);
    const saysHow = texts.some((text) => starts(text) || names(text, commands));
    return saysHow ? [] : [`none of ${paths.join(', ')} mentions docker compose up`];
  },
};

/** The text of a file, with its continued lines joined. */
const read = ({ directory }: Project, path: string) =>
  textOf(join(directory, path)).replaceAll(/\\\r?\n/g, ' ');

const withoutComments = (text: string) => text.replaceAll(/^\s*#.*$/gm, '');

/** True for a text with the command `compose up`, and options between. */
const starts = (text: string) =>
  /\bcompose(?:[ \t]+-\S+(?:[ \t]+[^\s-]\S*)?)*[ \t]+up\b/.test(text);

/** What runs such a file: `make` a Makefile, `just` a justfile, and a script itself. */
const commandOf = (path: string) =>
  basename(path)
    .toLowerCase()
    .replace(/file(?:\.\w+)?$/, '');

/** True if one of the words of a text is a command. */
function names(text: string, commands: string[]): boolean {
  const words = text.toLowerCase().split(/[^\w.-]+/);
  const known = new Set(words.map((word) => word.replace(/\.$/, '')));
  return commands.some((command) => known.has(command));
}
