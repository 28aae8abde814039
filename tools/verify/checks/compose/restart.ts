import type { Definition } from '../../check.ts';
import type { Service } from '../../model.ts';
import { say } from '../../texts.ts';
import { faultsOfServices } from './services.ts';

export const check: Definition = {
  id: 'compose.restart',
  chapter: 'Service configuration',
  points: 2,
  run: (project) => faultsOfServices(project, faultsOfRestart),
};

function faultsOfRestart([service, settings]: [string, Service]): string[] {
  const policy = restartPolicy(settings);
  if (policy === undefined) return [say('compose.restart.no-policy', { service })];
  return policy === 'unless-stopped' || policy === 'always'
    ? []
    : [say('compose.restart.other-policy', { service, policy })];
}

function restartPolicy({ restart: policy, deploy }: Service): string | undefined {
  const { condition } = deploy?.restart_policy ?? {};
  return policy ?? (condition === 'any' ? 'always' : condition);
}
