import type { Definition } from '../../check.ts';
import { composeModel } from '../../compose.ts';
import { containersOf, isRunning } from '../../containers.ts';
import { tiers } from '../../model.ts';
import { say } from '../../texts.ts';

export const check: Definition = {
  id: 'health.running',
  chapter: 'Composing the app',
  points: 3,
  async run(project) {
    await composeModel(project);
    const faults: string[] = [];
    for (const service of tiers) {
      const containers = await containersOf(project, service);
      if (containers.length === 0) faults.push(say('health.running.no-container', { service }));
      const stopped = containers.filter((container) => !isRunning(container));
      for (const { State } of stopped) {
        const { Status: status, ExitCode: code } = State;
        faults.push(say('health.running.stopped', { service, status, code }));
      }
    }
    return faults;
  },
};
