// What the API answers to requests that are wrong.
import { type Check, snippet } from '../check.ts';
import type { Answer } from '../http.ts';
import { canList, create, listed, path, seen, update, write } from '../tasks.ts';
import { request } from '../web.ts';

/** Nothing if the answer has one of the statuses and says {"error": …}; otherwise what it was. */
function faultsOfError(what: string, answer: Answer, statuses: number[]): string[] {
  const error = (answer.json as { error?: unknown } | null | undefined)?.error;
  return statuses.includes(answer.status) && error !== undefined ? [] : [seen(what, answer)];
}

const missingTitle: Check = {
  id: 'api.missing-title',
  title: `POST ${path} without a title returns 400 with {"error": …}`,
  chapter: 'Composing the app',
  points: 2,
  why: 'Invalid input must not be stored, and is no fault of the server: not a 500.',
  fix: snippet`
    if "title" not in data:
        return jsonify(error="Missing 'title' in request body"), 400
  `,
  async run(project) {
    const answer = await create(project, { status: 'pending' });
    return faultsOfError('POST without a title', answer, [400, 422]);
  },
};

const notJson: Check = {
  id: 'api.not-json',
  title: `POST ${path} with a body that is not JSON returns 400 or 415 with {"error": …}`,
  chapter: 'Composing the app',
  points: 1,
  why: 'Every client sends a broken body sooner or later. A 500 would wake somebody up for it.',
  fix: snippet`
    if not request.is_json:
        return jsonify(error="Request body must be JSON"), 400
  `,
  async run(project) {
    await canList(project);
    const headers = { 'Content-Type': 'text/plain' };
    const text = await write(project, path, { method: 'POST', body: 'no JSON', headers });
    const broken = await write(project, path, { method: 'POST', body: '{"title": ' });
    const faults = faultsOfError('POST of text/plain', text, [400, 415]);
    if (broken.status < 400 || broken.status >= 500)
      faults.push(seen('POST of broken JSON', broken));
    return faults;
  },
};

const unknownId: Check = {
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

const unknownPath: Check = {
  id: 'api.unknown-path',
  title: 'A path that does not exist returns 404',
  chapter: 'Composing the app',
  points: 1,
  why: 'A typo in a client should show up as an error.',
  fix: 'Do not answer every path with the same page or with 200.',
  async run(project) {
    const answer = await request(project, '/api/no-such-path');
    return answer.status === 404 ? [] : [seen('GET /api/no-such-path', answer)];
  },
};

export const apiErrors: Check[] = [missingTitle, notJson, unknownId, unknownPath];
