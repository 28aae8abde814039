// The model of a submission, once it is certain that it asks for nothing that it may not have.
import { type Docker } from './docker.ts';
import { type Asked } from './asked.ts';
import { failureOf } from './command.ts';
import { limits } from './limits.ts';
import { refusals } from './policy.ts';
import { outsideReferences } from './references.ts';
import { Refused } from './refused.ts';
import { settingsOf } from './settings.ts';

/**
 * Resolves the Compose files in a directory. Throws Refused; and an Error, with what Compose says,
 * if it cannot read them.
 */
export async function modelOf(directory: string, project: string, docker: Docker): Promise<Asked> {
  const { faults, files } = settingsOf(directory);
  const outside = outsideReferences(directory, files);
  if (faults.length + outside.length > 0) throw new Refused([...faults, ...outside]);

  const args = ['compose', '-p', project, 'config', '--format', 'json'];
  const ended = await docker(args, { cwd: directory, limitMs: limits.configMs });
  if (!ended.ok) throw new Error(`docker compose config: ${failureOf(ended, 2)}`);
  const model = JSON.parse(ended.stdout) as Asked;
  const refused = refusals(model, directory);
  if (refused.length > 0) throw new Refused(refused);
  return model;
}
