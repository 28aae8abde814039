import { relative } from 'node:path';
import { type Check, snippet } from '../check.ts';
import { NotApplicable } from '../errors.ts';
import type { Project } from '../project.ts';
import {
  baseFile,
  composeTexts,
  envExampleNames,
  envFileNames,
  fileExists,
  fileNames,
  readText,
} from '../project-files.ts';
import { filesBelow, initFiles, textOf } from '../tree.ts';

const composeFile: Check = {
  id: 'files.compose',
  title: 'There is a Compose file',
  chapter: 'Compose basics',
  points: 1,
  why: 'It describes the stack: without it nobody else can start it.',
  fix: 'Name it compose.yml and put it in the directory of the project.',
  run: (project) =>
    baseFile(project) === undefined ? [`no compose.yml in ${project.directory}`] : [],
};

/** The paths of the documents in the project's directory and in docs. */
function documentsOf(project: Project): string[] {
  const docs = fileExists(project, 'docs') ? fileNames(project, 'docs') : [];
  const paths = [...fileNames(project), ...docs.map((name) => `docs/${name}`)];
  return paths.filter((path) => /\.(?:md|txt|rst|adoc)$|^readme$/i.test(path));
}

const readme: Check = {
  id: 'files.readme',
  title: 'A README or another document says how to start the stack',
  chapter: 'Composing the app',
  points: 1,
  why: 'Somebody else, or you in six months, has only this file to go by.',
  fix: snippet`
    # README.md
    ## Start it
        docker compose up -d --build
  `,
  run(project) {
    const paths = documentsOf(project);
    if (paths.length === 0) return ['no README.md'];
    const saysHow = paths.some((path) => /\bcompose\b.*\bup\b/.test(readText(project, path)));
    return saysHow ? [] : [`none of ${paths.join(', ')} mentions docker compose up`];
  },
};

const docs: Check = {
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

const lineEndings: Check = {
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

const envExample: Check = {
  id: 'files.env-example',
  title: '.env.example has every variable that the Compose files use',
  chapter: 'Environment and secrets',
  points: 2,
  why: '.env is not in git, so only this file says what to set.',
  fix: snippet`
    # .env.example: each \${NAME} of the Compose files
    POSTGRES_PASSWORD=change-me
    #NAME=value    # an optional one, as a comment
  `,
  run(project) {
    const examples = envExampleNames(project);
    if (examples.length === 0) return ['no .env.example'];
    const listed = new Set(examples.flatMap((name) => namesSetIn(readText(project, name))));
    const set = envFileNames(project).flatMap((name) =>
      namesSetIn(withoutComments(readText(project, name))),
    );
    const needed = new Set([...variablesUsed(project), ...set]);
    const missing = [...needed].filter((name) => !listed.has(name) && !isOfCompose(name));
    return missing.map((name) => `${name} is missing from ${examples.join(', ')}`);
  },
};

/** Compose's own variables are not the project's to explain. */
const isOfCompose = (name: string) => name.startsWith('COMPOSE_');

/** The variables that the Compose files use. */
function variablesUsed(project: Project): string[] {
  const texts = [...composeTexts(project).values()].join('\n');
  const uses = texts.matchAll(/(?<!\$)\$\{?([A-Za-z_]\w*)/g);
  return [...uses].map(([, name = '']) => name);
}

/** The names that a settings file sets, also in commented lines. */
function namesSetIn(text: string): string[] {
  const lines = text.matchAll(/^\s*#?\s*(?:export\s+)?([A-Za-z_]\w*)=/gm);
  return [...lines].map(([, name = '']) => name);
}

const withoutComments = (text: string) => text.replaceAll(/^\s*#.*$/gm, '');

export const files: Check[] = [composeFile, readme, docs, lineEndings, envExample];
