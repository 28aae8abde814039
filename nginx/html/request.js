// @ts-check
// Sends every request that the page makes.
import { showRequest } from './stack.js';

/** @typedef {{ id: number, title: string, status: string, created_at: string }} Task */
/** @typedef {{ tasks?: Task[], next_cursor?: string, task?: Task }} Found */
/** @typedef {Found & { error?: string, reason?: string }} Body */
/** @typedef {{ status: number, body: Body, etag: string }} Answer status 0: no complete answer */

/** The API token, for this tab only. */
export const token = {
  get: () => sessionStorage.getItem('token'),
  set: (/** @type {string} */ value) => sessionStorage.setItem('token', value),
  forget: () => sessionStorage.removeItem('token'),
};

/** Keeps a value across a reload of this tab. @param {string} name @param {object} value */
export function keepInTab(name, value) {
  try {
    sessionStorage.setItem(name, JSON.stringify(value));
  } catch {
    // The storage is full: the value lasts only as long as the page.
  }
}

/**
 * Sends a request. Never throws. With keepalive the request survives the page.
 * @param {string} method @param {string} path
 * @param {{ json?: object, headers?: Record<string, string>, keepalive?: boolean }} [options]
 * @returns {Promise<Answer>}
 */
export async function send(method, path, { json, headers, keepalive = false } = {}) {
  const isForTasks = path.startsWith('/api/');
  const secret = isForTasks && token.get();
  const startedAt = performance.now();
  /** @type {Answer} */
  let answer = { status: 0, body: {}, etag: '' };
  /** @type {Response | undefined} */
  let response;
  try {
    response = await fetch(path, {
      method,
      keepalive,
      signal: AbortSignal.timeout(13_000), // the stack takes 12 s at most
      headers: {
        ...(json && { 'Content-Type': 'application/json' }),
        ...(secret && { Authorization: `Bearer ${secret}` }),
        ...headers,
      },
      ...(json && { body: JSON.stringify(json) }),
    });
    const text = await response.text();
    const isJson = text && response.headers.get('Content-Type')?.startsWith('application/json');
    const body = (isJson && JSON.parse(text)) || {};
    answer = { status: response.status, body, etag: response.headers.get('ETag') ?? '' };
  } catch {
    // No answer, or an incomplete one.
  }
  const ms = performance.now() - startedAt;
  if (isForTasks) showRequest(`${method} ${path}`, ms, answer.status, response?.headers);
  if (answer.status === 401) document.dispatchEvent(new Event('token-wanted'));
  return answer;
}

/** Why a request failed. @param {Answer} answer */
export const explain = ({ status, body }) =>
  status === 0 ? 'no answer came.' : `${body.error ?? `status ${status}`}.`;

/**
 * Whether a change may have been stored although its request failed. 502 and 503 promise that
 * nothing was changed. 409 means that the same creation is still running. For 422, see drafts.js.
 * @param {Answer} answer
 */
const isUnknown = ({ status }) =>
  status < 400 ||
  status === 409 ||
  status === 422 ||
  (status >= 500 && status !== 502 && status !== 503);

/** Says what became of a failed change. @param {string} done @param {Answer} answer */
export const report = (done, answer) =>
  `${isUnknown(answer) ? 'It may or may not have been' : 'Not'} ${done}: ${explain(answer)}`;
