import { type Check, snippet } from '../../check.ts';
import { composeTexts, envExampleNames, envFileNames, readText } from '../../project-files.ts';
import type { Project } from '../../project.ts';

export const check: Check = {
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
