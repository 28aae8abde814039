import type { Definition } from '../../check.ts';
import { NotApplicable } from '../../errors.ts';
import { leaksIn } from '../../leaks.ts';
import { literalPasswords } from '../../literals.ts';

export const check: Definition = {
  id: 'config.no-password',
  chapter: 'Environment and secrets',
  points: 3,
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
