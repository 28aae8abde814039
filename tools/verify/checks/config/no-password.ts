import { type Check, snippet } from '../../check.ts';
import { NotApplicable } from '../../errors.ts';
import { leaksIn } from '../../leaks.ts';
import { literalPasswords } from '../../literals.ts';

export const check: Check = {
  id: 'config.no-password',
  title: 'No Compose file contains a password',
  chapter: 'Environment and secrets',
  points: 3,
  why: 'Compose files are in git, and everybody who reads them then knows the password.',
  fix: snippet`
    environment:
      POSTGRES_PASSWORD: \${POSTGRES_PASSWORD:?is not set, see .env.example}
  `,
  async run(project) {
    const literal = await literalPasswords(project);
    const leaks = await leaksIn(project, 'compose').catch(noneWithoutGit);
    return [
      ...[...literal].flatMap(([file, faults]) => faults.map((fault) => `${file}: ${fault}`)),
      ...leaks.filter(({ path }) => !literal.has(path)).map(({ fault }) => fault),
    ];
  },
};

function noneWithoutGit(error: unknown): [] {
  if (error instanceof NotApplicable) return [];
  throw error;
}
