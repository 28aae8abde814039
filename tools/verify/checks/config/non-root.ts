import type { Definition } from '../../check.ts';
import { runningContainer } from '../../containers.ts';
import { type Tier, tiers } from '../../model.ts';
import { type Process, processesOf } from '../../processes.ts';
import { say } from '../../texts.ts';

export const check: Definition = {
  id: 'config.non-root',
  chapter: 'Hardening',
  points: 2,
  async *run(project) {
    for (const tier of tiers) {
      const container = await runningContainer(project, tier);
      yield* faultsOfUsers(tier, await processesOf(project, container));
    }
  },
};

function faultsOfUsers(service: Tier, processes: Process[]): string[] {
  const asRoot = processes.filter(({ uid }) => uid === '0').map(({ command }) => command);
  const [command] = asRoot;
  if (service !== 'web')
    return command === undefined ? [] : [say('config.non-root.root', { service, command })];
  // The nginx master may be root, to bind its port and read its key: it serves nobody.
  const hasWorkers = asRoot.length < processes.length;
  return hasWorkers ? [] : [say('config.non-root.web-as-root', { command })];
}
