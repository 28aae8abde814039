import type { Definition } from '../../check.ts';
import { composeTexts, envExampleNames, envFileNames, readText } from '../../project-files.ts';
import type { Project } from '../../project.ts';
import { say } from '../../texts.ts';

export const check: Definition = {
  id: 'files.env-example',
  chapter: 'Environment and secrets',
  points: 2,
  run(project) {
    const examples = envExampleNames(project);
    if (examples.length === 0) return [say('files.env-example.missing')];
    const listed = new Set(examples.flatMap((name) => namesSetIn(readText(project, name))));
    const set = envFileNames(project).flatMap((name) =>
      namesSetIn(withoutComments(readText(project, name))),
    );
    const needed = new Set([...variablesUsed(project), ...set]);
    const missing = [...needed].filter((name) => !listed.has(name) && !isOfCompose(name));
    const files = examples.join(', ');
    return missing.map((name) => say('files.env-example.no-variable', { name, files }));
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
