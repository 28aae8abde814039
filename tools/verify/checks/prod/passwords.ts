import { type Check, snippet } from '../../check.ts';
import { isProduction, productionModel, rawProduction } from '../../compose.ts';
import { variablesOf } from '../../literals.ts';
import { fileExists } from '../../project-files.ts';
import type { Project } from '../../project.ts';
import { examplePasswords } from '../../published.ts';
import { secretsAmong } from '../../secret-names.ts';

export const check: Check = {
  id: 'prod.passwords',
  title: 'No password of production is a default of the Compose files, or that of an example',
  chapter: 'Environment and secrets',
  points: 2,
  why: 'Everybody who can read the repository knows them.',
  fix: snippet`
    POSTGRES_PASSWORD: \${POSTGRES_PASSWORD:?is not set}
    # or a file:
    POSTGRES_PASSWORD_FILE: /run/secrets/postgres_password
  `,
  async run(project) {
    const faults: string[] = [];
    for (const [service, { environment }] of Object.entries(await rawProduction(project))) {
      for (const [name, value] of secretsAmong(variablesOf(environment)))
        if (hasDefault(value)) faults.push(`${name} of ${service} is a default`);
    }
    return [...faults, ...(await faultsOfExamples(project))];
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
      .map(([name, value]) => `${name} of ${service} is ${known.get(value)}`),
  );
}
