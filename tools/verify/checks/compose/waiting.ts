import { composeModel, findService, productionModel } from '../../compose.ts';
import type { Model, Tier } from '../../model.ts';
import type { Project } from '../../project.ts';
import { say } from '../../texts.ts';

/** What is wrong if a service does not wait until the one that it needs is healthy. */
export async function faultsOfWaiting(
  project: Project,
  service: Tier,
  needed: Tier,
): Promise<string[]> {
  await findService(project, service);
  const faults = faultsIn(await composeModel(project), service, needed);
  const production = await productionModel(project).catch(() => undefined);
  const hasBoth = production && service in production.services && needed in production.services;
  if (faults.length > 0 || !hasBoth) return faults;
  const inProduction = faultsIn(production, service, needed);
  return inProduction.map((fault) => say('shared.in-production', { fault }));
}

function faultsIn({ services }: Model, service: Tier, needed: Tier): string[] {
  if (waitsFor(services, service, needed)) return [];
  const condition = services[service]?.depends_on?.[needed]?.condition;
  if (condition === undefined) return [say('shared.does-not-wait', { service, needed })];
  return [say('shared.waits-otherwise', { service, needed, condition })];
}

/** By itself, or by way of another service that waits, such as a migration. */
function waitsFor(services: Model['services'], name: string, needed: Tier): boolean {
  const dependencies = Object.entries(services[name]?.depends_on ?? {});
  return dependencies.some(([dependency, { condition }]) => {
    const isDirect = dependency === needed && condition === 'service_healthy';
    return isDirect || waitsFor(services, dependency, needed);
  });
}
