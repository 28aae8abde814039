import { relative } from 'node:path';
import { type Check, NotApplicable } from '../check.ts';
import type { Project } from '../project.ts';
import { filesBelow, initFiles, textOf } from '../tree.ts';

/** README and docs, as [path, text]. */
function documents(project: Project): [string, string][] {
  const docs = project.exists('docs')
    ? project.fileNames('docs').map((name) => `docs/${name}`)
    : [];
  return [...project.fileNames(), ...docs]
    .filter((path) => path.endsWith('.md'))
    .map((path) => [path, project.read(path)]);
}

/** The variables that the Compose files use. Those of Compose itself are not the project's to set. */
function variables(project: Project): Set<string> {
  const uses = [...project.composeTexts().values()].flatMap((text) => [
    ...text.matchAll(/(?<!\$)\$\{?([A-Za-z_]\w*)/g),
  ]);
  return new Set(uses.map(([, name = '']) => name).filter((name) => !name.startsWith('COMPOSE_')));
}

/** The names that a settings file sets, also those in a comment. */
const settings = (text: string) =>
  [...text.matchAll(/^\s*#?\s*(?:export\s+)?([A-Za-z_]\w*)=/gm)].map(([, name = '']) => name);

/** Which of the files git has, or would add. */
async function inGit(project: Project, paths: string[]): Promise<string[]> {
  const tracked = await project.git(
    'ls-files',
    '-z',
    '--cached',
    '--others',
    '--exclude-standard',
    '--',
    ...paths,
  );
  if (!tracked) throw new NotApplicable('not in a git work tree');
  return tracked.stdout.toString().split('\0').filter(Boolean);
}

/** What a shell reads: it says so by its name or in its first line. */
const isScript = (path: string) =>
  /\.(?:sh|bash|envsh)$/.test(path) || textOf(path).startsWith('#!');

export const files: Check[] = [
  {
    id: 'files.compose',
    title: 'There is a Compose file',
    chapter: 'Compose basics',
    points: 1,
    why: 'It describes the stack: without it nobody else can start it.',
    fix: 'Name it compose.yml and put it in the directory of the project.',
    run: (project) =>
      project.baseFile() === undefined ? [`no compose.yml in ${project.directory}`] : [],
  },
  {
    id: 'files.readme',
    title: 'The README says how to start the stack',
    chapter: 'Composing the app',
    points: 1,
    why: 'Somebody else, or you in six months, has only this file to go by.',
    fix: '# README.md\n## Start it\n    docker compose up -d --build',
    run: (project) => {
      const readme = documents(project).find(([path]) => /^readme\.md$/i.test(path));
      if (!readme) return ['no README.md'];
      return /\bcompose\b.*\bup\b/.test(readme[1])
        ? []
        : [`${readme[0]} does not name docker compose up`];
    },
  },
  {
    id: 'files.docs',
    title: 'Documents describe the architecture and how to operate it',
    chapter: 'What comes after',
    points: 1,
    why: 'At night nobody reads code: whoever is on call needs the picture, the commands and the known faults.',
    fix: '# docs/architecture.md: services, networks, data\n# docs/operations.md: start, back up, restore, troubleshoot',
    run: (project) => {
      const subjects = documents(project).flatMap(([path, text]) => [
        path,
        ...text.split('\n').filter((line) => line.startsWith('#')),
      ]);
      const has = (subject: RegExp) => subjects.some((line) => subject.test(line));
      return [
        ...(has(/architect/i) ? [] : ['no document and no heading on the architecture']),
        ...(has(/operat|runbook|troubleshoot|back ?up|restore/i)
          ? []
          : ['no document and no heading on operation, backup or troubleshooting']),
      ];
    },
  },
  {
    id: 'files.line-endings',
    title: 'Scripts and init files end their lines with LF',
    chapter: 'Composing the app',
    points: 1,
    why: 'A clone on Windows has CRLF. Linux then looks for "bash\\r", and db does not start.',
    fix: [
      "echo '* text=auto eol=lf' >> .gitattributes    # for the next clone",
      "sed -i 's/\\r$//' FILE    # for each file above; or choose LF in the editor",
    ].join('\n'),
    run: async (project) => {
      const scripts = filesBelow(project.directory).filter(isScript);
      const all = new Set([...scripts, ...(await initFiles(project))]);
      const faulty = [...all].filter((path) => textOf(path).includes('\r\n'));
      return faulty.map((path) => `${relative(project.directory, path)} has CRLF`);
    },
  },
  {
    id: 'files.env-example',
    title: '.env.example has every variable that the Compose files use',
    chapter: 'Environment and secrets',
    points: 2,
    why: '.env is not in git, so only this file says what to set.',
    fix: '# .env.example: each ${NAME} of the Compose files\nPOSTGRES_PASSWORD=change-me\n#NAME=value    # an optional one, as a comment',
    run: (project) => {
      const examples = project.envFileNames('examples');
      if (examples.length === 0) return ['no .env.example'];
      const listed = new Set(examples.flatMap((name) => settings(project.read(name))));
      const set = project
        .envFileNames('values')
        .flatMap((name) => settings(project.read(name).replaceAll(/^\s*#.*$/gm, '')));
      return [...new Set([...variables(project), ...set])]
        .filter((name) => !listed.has(name) && !name.startsWith('COMPOSE_'))
        .map((name) => `${name} is missing in ${examples.join(', ')}`);
    },
  },
  {
    id: 'files.env-ignored',
    title: '.env is not in git, and cannot get there by mistake',
    chapter: 'Environment and secrets',
    points: 2,
    why: 'What was once in git stays in its history, in every clone.',
    fix: "printf '.env\\n.env.*\\n!.env.example\\n' >> .gitignore\ngit rm --cached .env    # and change the passwords that were in it",
    run: async (project) => {
      const faults = (await inGit(project, ['.env', ...project.envFileNames('values')])).map(
        (path) => `${path} is in git, or would be with the next git add .`,
      );
      // It may not be there yet.
      const ignored =
        (await project.git('check-ignore', '--quiet', '--no-index', '.env'))?.code === 0;
      return ignored || faults.length > 0 ? faults : ['no .gitignore names .env'];
    },
  },
  {
    id: 'files.secrets-ignored',
    title: 'Files with secrets are not in git',
    chapter: 'Environment and secrets',
    points: 1,
    why: 'Everybody who has a clone knows a secret that is in git.',
    fix: 'echo secrets/ >> .gitignore\ngit rm --cached -r secrets    # and make new secrets',
    run: async (project) => {
      const models = [
        await project.model(),
        await project.production().catch(() => ({ secrets: {} })),
      ];
      const paths = models
        .flatMap(({ secrets = {} }) => Object.values<{ file?: string }>(secrets))
        .flatMap(({ file }) => file ?? []);
      const inside = [
        ...new Set(
          paths
            .map((path) => relative(project.directory, path))
            .filter((path) => !path.startsWith('..')),
        ),
      ];
      if (inside.length === 0) throw new NotApplicable('no secret is a file of the project');
      return (await inGit(project, inside)).map(
        (path) => `${path} is in git, or would be with the next git add .`,
      );
    },
  },
];
