import { findService } from '../../compose.ts';
import type { Tier } from '../../model.ts';
import type { Project } from '../../project.ts';
import { say } from '../../texts.ts';

/** What is wrong if a service does not wait until the one that it needs is healthy. */
export async function faultsOfWaiting(
  project: Project,
  service: Tier,
  needed: Tier,
): Promise<string[]> {
  const { depends_on = {} } = await findService(project, service);
  const condition = depends_on[needed]?.condition;
  if (condition === 'service_healthy') return [];
  if (condition === undefined) return [say('shared.does-not-wait', { service, needed })];
  return [say('shared.waits-otherwise', { service, needed, condition })];
}
