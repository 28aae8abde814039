import { findService } from '../../compose.ts';
import type { Tier } from '../../model.ts';
import type { Project } from '../../project.ts';

/** What is wrong if a service does not wait until the one that it needs is healthy. */
export async function faultsOfWaiting(
  project: Project,
  name: Tier,
  needed: Tier,
): Promise<string[]> {
  const { depends_on = {} } = await findService(project, name);
  const condition = depends_on[needed]?.condition;
  if (condition === 'service_healthy') return [];
  if (condition === undefined) return [`${name} does not depend on ${needed}`];
  return [`${name} waits for ${needed} by ${condition}`];
}
