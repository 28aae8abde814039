import { composeModel, productionModel } from '../../compose.ts';
import { always, lasting, type Service } from '../../model.ts';
import type { Project } from '../../project.ts';
import { say } from '../../texts.ts';

/** What is wrong with services in development, and what else in production. */
export async function faultsOfServices(
  project: Project,
  faultsOf: (service: [string, Service]) => string[],
): Promise<string[]> {
  const production = await productionModel(project).catch(() => undefined);
  const faults = lasting(await composeModel(project)).flatMap(faultsOf);
  const inProduction = production ? always(production).flatMap(faultsOf) : [];
  const others = inProduction.filter((fault) => !faults.includes(fault));
  return [...faults, ...others.map((fault) => say('shared.in-production', { fault }))];
}
