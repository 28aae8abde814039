import { composeModel, findService } from '../../compose.ts';
import { shared, type Tier } from '../../model.ts';
import type { Project } from '../../project.ts';
import { say } from '../../texts.ts';

/** What is wrong if two services have no network in common. */
export async function faultsOfSharing(project: Project, a: Tier, b: Tier): Promise<string[]> {
  const services = [await findService(project, a), await findService(project, b)] as const;
  const networks = shared(await composeModel(project), ...services);
  return networks.length > 0 ? [] : [say('shared.no-common-network', { a, b })];
}
