import type { Definition } from '../../check.ts';
import { isProduction, productionModel, rawProduction } from '../../compose.ts';
import { variablesOf } from '../../literals.ts';
import { fileExists } from '../../project-files.ts';
import type { Project } from '../../project.ts';
import { examplePasswords } from '../../published.ts';
import { secretsAmong } from '../../secret-names.ts';
import { say } from '../../texts.ts';

export const check: Definition = {
  id: 'prod.passwords',
  chapter: 'Environment and secrets',
  points: 2,
  async *run(project) {
    for (const [service, { environment }] of Object.entries(await rawProduction(project))) {
      for (const [name, value] of secretsAmong(variablesOf(environment)))
        if (hasDefault(value)) yield say('prod.passwords.default', { name, service });
    }
    yield* await faultsOfExamples(project);
  },
};

/** True for `${NAME:-value}` and `${NAME-value}`, unless the value is itself a variable. */
const hasDefault = (value: string): boolean => /\$\{\w+:?-[^}$]/.test(value);

/** The passwords of production that are those of the examples. */
async function faultsOfExamples(project: Project): Promise<string[]> {
  const isReal = isProduction(project) || fileExists(project, '.env.prod');
  if (!isReal) return [];
  const known = examplePasswords(project);
  const { services } = await productionModel(project);
  return Object.entries(services).flatMap(([service, { environment = {} }]) =>
    secretsAmong(environment)
      .filter(([, value]) => known.has(value))
      .map(([name, value]) =>
        say('prod.passwords.of-example', { name, service, example: known.get(value) }),
      ),
  );
}
