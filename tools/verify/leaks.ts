// Secrets of the stack in what git has.
import { basename } from 'node:path';
import { type GitText, gitTexts } from './git-files.ts';
import type { Project } from './project.ts';
import { hasServices, isDotEnv } from './project-files.ts';
import { patternOf, secretsOf } from './secrets.ts';
import { say } from './texts.ts';

/** What kind of file has it: one cause is the fault of one check. */
type Kind = 'settings' | 'compose' | 'other';

interface Leak {
  kind: Kind;
  path: string;
  fault: string;
}

async function findLeaks(project: Project): Promise<Leak[]> {
  const texts = await gitTexts(project);
  const leaks = new Map<string, Leak>();
  for (const secret of await secretsOf(project)) {
    const pattern = patternOf(secret);
    for (const one of texts) {
      const key = `${one.path} ${secret.place}`;
      // The files at hand come first: a file that still has it is not named again.
      if (leaks.has(key) || !one.text.includes(secret.value)) continue;
      if (pattern.test(one.text))
        leaks.set(key, { kind: kindOf(one), path: one.path, fault: faultOf(one, secret.place) });
    }
  }
  return [...leaks.values()];
}

function kindOf({ path, text, isOld }: GitText): Kind {
  if (isDotEnv(basename(path))) return 'settings';
  return hasServices(path, text) && !isOld ? 'compose' : 'other';
}

const faultOf = ({ path, isOld }: GitText, secret: string): string =>
  isOld
    ? say('shared.secret-in-history', { path, secret })
    : say('shared.secret-in-file', { path, secret });

/** The leaks in one kind of files. Throws NotApplicable outside a work tree. */
export async function leaksIn(project: Project, kind: Kind): Promise<Leak[]> {
  const leaks = await project.once('leaks', () => findLeaks(project));
  return leaks.filter((leak) => leak.kind === kind);
}

/** How the dumps of pg_dump and pg_dumpall start. */
const dumpStart = /^(?:PGDMP|--\n-- PostgreSQL database (?:cluster )?dump\n)/;

/** The dumps that git has, apart from those that fill an empty database. */
export async function dumpsInGit(project: Project, initFiles: string[]): Promise<string[]> {
  const texts = await gitTexts(project);
  const dumps = texts.filter(({ text }) => dumpStart.test(text));
  const paths = new Set(dumps.map(({ path }) => path));
  return [...paths].filter((path) => !initFiles.includes(path));
}
