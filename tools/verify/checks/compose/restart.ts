import type { Definition } from '../../check.ts';
import { composeModel, productionModel } from '../../compose.ts';
import { always, lasting, type Service } from '../../model.ts';
import { say } from '../../texts.ts';

export const check: Definition = {
  id: 'compose.restart',
  chapter: 'Service configuration',
  points: 2,
  async run(project) {
    const production = await productionModel(project).catch(() => undefined);
    const faults = lasting(await composeModel(project)).flatMap(faultsOfRestart);
    const inProduction = production ? always(production).flatMap(faultsOfRestart) : [];
    const others = inProduction.filter((fault) => !faults.includes(fault));
    return [...faults, ...others.map((fault) => say('compose.restart.in-production', { fault }))];
  },
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
