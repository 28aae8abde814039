import type { Definition } from '../../check.ts';
import { productionModel } from '../../compose.ts';
import { allHealthChecks, isOff } from '../../health-checks.ts';
import { always } from '../../model.ts';
import type { Project } from '../../project.ts';
import { say } from '../../texts.ts';

export const check: Definition = {
  id: 'health.checks',
  chapter: 'Health checks',
  points: 3,
  async run(project) {
    const missing = (await allHealthChecks(project)).filter(([, healthCheck]) => !healthCheck);
    const names = new Set(missing.map(([name]) => name));
    const off = (await offInProduction(project)).filter((name) => !names.has(name));
    const inProduction = off.map(faultOf).map((fault) => say('shared.in-production', { fault }));
    return [...[...names].map(faultOf), ...inProduction];
  },
};

const faultOf = (service: string) => say('health.checks.none', { service });

/** The services whose health check production switches off. */
async function offInProduction(project: Project): Promise<string[]> {
  const production = await productionModel(project).catch(() => undefined);
  const services = production ? always(production) : [];
  return services.flatMap(([name, { healthcheck = {} }]) => (isOff(healthcheck) ? [name] : []));
}
