import type { Definition } from '../../check.ts';
import { NotApplicable } from '../../errors.ts';
import { leaksIn } from '../../leaks.ts';
import { literalPasswords } from '../../literals.ts';

export const check: Definition = {
  id: 'config.no-password',
  chapter: 'Environment and secrets',
  points: 3,
  async *run(project) {
    const literal = await literalPasswords(project);
    for (const [file, faults] of literal) yield* faults.map((fault) => `${file}: ${fault}`);
    const leaks = await leaksIn(project, 'compose').catch(noneWithoutGit);
    yield* leaks.filter(({ path }) => !literal.has(path)).map(({ fault }) => fault);
  },
};

function noneWithoutGit(error: unknown): [] {
  if (error instanceof NotApplicable) return [];
  throw error;
}
