import type { Definition } from '../../check.ts';
import { rowsOf } from '../../table.ts';
import { path, update, write } from '../../tasks.ts';
import { say } from '../../texts.ts';
import { faultsOfError } from './error-answer.ts';

export const check: Definition = {
  id: 'api.unknown-id',
  chapter: 'Composing the app',
  points: 2,
  async *run(project) {
    const rows = await rowsOf(project);
    // Near the largest id of a SERIAL, which no task reaches.
    const unknown = ['2147483600', '2147483601'].find((id) => !rows.has(id)) ?? '0';
    const url = `${path}/${unknown}`;
    project.created.add(unknown); // an update may make what is missing
    const updated = await update(project, unknown, { status: 'completed' });
    yield* faultsOfError(say('shared.update-of', { url }), updated, [404]);
    const deleted = await write(project, url, { method: 'DELETE' });
    if (!(await rowsOf(project)).has(unknown)) project.created.delete(unknown);
    yield* faultsOfError(`DELETE ${url}`, deleted, [404]);
  },
};
