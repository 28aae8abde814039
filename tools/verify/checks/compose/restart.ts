import type { Check } from '../../check.ts';
import type { Service } from '../../model.ts';
import { faultsOfServices } from './services.ts';

export const check: Check = {
  id: 'compose.restart',
  title: 'Every service restarts after a crash and after a reboot',
  chapter: 'Service configuration',
  points: 2,
  why:
    'The default is "no": what crashes at night stays down until somebody notices. ' +
    'on-failure does not start it after a reboot.',
  fix: 'restart: unless-stopped',
  run: (project) => faultsOfServices(project, faultsOfRestart),
};

function faultsOfRestart([name, service]: [string, Service]): string[] {
  const policy = restartPolicy(service);
  if (policy === undefined) return [`${name} has no restart policy`];
  return policy === 'unless-stopped' || policy === 'always'
    ? []
    : [`${name} has restart: ${policy}`];
}

function restartPolicy({ restart: policy, deploy }: Service): string | undefined {
  const { condition } = deploy?.restart_policy ?? {};
  return policy ?? (condition === 'any' ? 'always' : condition);
}
