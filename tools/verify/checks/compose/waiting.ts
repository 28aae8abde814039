import { composeModel, findService, productionModel } from '../../compose.ts';
import type { Model, Tier } from '../../model.ts';
import type { Project } from '../../project.ts';

/** What is wrong if a service does not wait until the one that it needs is healthy. */
export async function faultsOfWaiting(
  project: Project,
  name: Tier,
  needed: Tier,
): Promise<string[]> {
  await findService(project, name);
  const faults = faultsIn(await composeModel(project), name, needed);
  const production = await productionModel(project).catch(() => undefined);
  const hasBoth = production && name in production.services && needed in production.services;
  if (faults.length > 0 || !hasBoth) return faults;
  return faultsIn(production, name, needed).map((fault) => `in production, ${fault}`);
}

function faultsIn({ services }: Model, name: Tier, needed: Tier): string[] {
  if (waitsFor(services, name, needed)) return [];
  const condition = services[name]?.depends_on?.[needed]?.condition;
  if (condition === undefined) return [`${name} does not depend on ${needed}`];
  return [`${name} waits for ${needed} by ${condition}`];
}

/** By itself, or by way of another service that waits, such as a migration. */
function waitsFor(services: Model['services'], name: string, needed: Tier): boolean {
  const dependencies = Object.entries(services[name]?.depends_on ?? {});
  return dependencies.some(([dependency, { condition }]) => {
    const isDirect = dependency === needed && condition === 'service_healthy';
    return isDirect || waitsFor(services, dependency, needed);
  });
}
