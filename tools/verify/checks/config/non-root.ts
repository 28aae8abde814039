import { type Check, snippet } from '../../check.ts';
import { runningContainer } from '../../containers.ts';
import { type Tier, tiers } from '../../model.ts';
import { type Process, processesOf } from '../../processes.ts';

export const check: Check = {
  id: 'config.non-root',
  title: 'The API, PostgreSQL and the nginx workers do not run as root',
  chapter: 'Hardening',
  points: 2,
  why:
    'An attacker who breaks into a program gets its rights, ' +
    'and root in a container is a step from root on the host.',
  fix: snippet`
    # api/Dockerfile
    RUN useradd --system app
    USER app
  `,
  async run(project) {
    const faults: string[] = [];
    for (const tier of tiers) {
      const container = await runningContainer(project, tier);
      faults.push(...faultsOfUsers(tier, await processesOf(project, container)));
    }
    return faults;
  },
};

function faultsOfUsers(tier: Tier, processes: Process[]): string[] {
  const asRoot = processes.filter(({ uid }) => uid === '0').map(({ command }) => command);
  if (tier !== 'web')
    return asRoot.slice(0, 1).map((command) => `${tier} runs as root: ${command}`);
  // The nginx master may be root, to bind its port and read its key: it serves nobody.
  const hasWorkers = asRoot.length < processes.length;
  return hasWorkers ? [] : [`every process of web runs as root: ${asRoot[0]}`];
}
