import type { Definition } from '../../check.ts';
import { canList, listed, path, update, write } from '../../tasks.ts';
import { say } from '../../texts.ts';
import { faultsOfError } from './error-answer.ts';

export const check: Definition = {
  id: 'api.unknown-id',
  chapter: 'Composing the app',
  points: 2,
  async run(project) {
    await canList(project);
    const ids = new Set((await listed(project)).map(({ id }) => id));
    // Near the largest id of a SERIAL, which no task reaches.
    const unknown = [2_147_483_600, 2_147_483_601].find((id) => !ids.has(id)) ?? 0;
    const url = `${path}/${unknown}`;
    const updated = await update(project, unknown, { status: 'completed' });
    project.created.add(String(unknown)); // by an API whose update makes what is missing
    const faults = faultsOfError(say('shared.update-of', { url }), updated, [404]);
    const deleted = await write(project, url, { method: 'DELETE' });
    return [...faults, ...faultsOfError(`DELETE ${url}`, deleted, [404])];
  },
};
