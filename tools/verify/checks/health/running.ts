import { type Check, snippet } from '../../check.ts';
import { composeModel } from '../../compose.ts';
import { containersOf, isRunning } from '../../containers.ts';
import { tiers } from '../../model.ts';

export const check: Check = {
  id: 'health.running',
  title: 'web, api and db have containers, and all of them run',
  chapter: 'Composing the app',
  points: 3,
  why: 'The application needs all three.',
  fix: snippet`
    docker compose up -d --build
    docker compose ps --all
    docker compose logs api
  `,
  async run(project) {
    await composeModel(project);
    const faults: string[] = [];
    for (const tier of tiers) {
      const containers = await containersOf(project, tier);
      if (containers.length === 0) faults.push(`${tier} has no container`);
      const stopped = containers.filter((container) => !isRunning(container));
      for (const { State } of stopped)
        faults.push(`${tier} is ${State.Status}, exit code ${State.ExitCode}`);
    }
    return faults;
  },
};
