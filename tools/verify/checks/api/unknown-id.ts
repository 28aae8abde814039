import { type Check, snippet } from '../../check.ts';
import { canList, listed, path, update, write } from '../../tasks.ts';
import { faultsOfError } from './error-answer.ts';

export const check: Check = {
  id: 'api.unknown-id',
  title: 'Updating or deleting a task that does not exist returns 404 with {"error": …}',
  chapter: 'Composing the app',
  points: 2,
  why: '200 would tell the client that something changed.',
  fix: snippet`
    row = cur.fetchone()    # after UPDATE … RETURNING * or DELETE … RETURNING id
    if row is None:
        return jsonify(error=f"Task {task_id} not found"), 404
  `,
  async run(project) {
    await canList(project);
    const ids = new Set((await listed(project)).map(({ id }) => id));
    // Near the largest id of a SERIAL, which no task reaches.
    const unknown = [2_147_483_600, 2_147_483_601].find((id) => !ids.has(id)) ?? 0;
    const url = `${path}/${unknown}`;
    const updated = await update(project, unknown, { status: 'completed' });
    project.created.add(String(unknown)); // by an API whose update makes what is missing
    const faults = faultsOfError(`an update of ${url}`, updated, [404]);
    const deleted = await write(project, url, { method: 'DELETE' });
    return [...faults, ...faultsOfError(`DELETE ${url}`, deleted, [404])];
  },
};
