// @ts-check
// The one way from the page to the stack.
import { showRequest } from './stack.js';

/** @typedef {{ id: number, title: string, status: string, created_at: string }} Task */
/** @typedef {{ tasks?: Task[], next_cursor?: string, task?: Task, error?: string, reason?: string }} Body */
/** @typedef {{ status: number, body: Body, etag: string }} Answer status 0: there was none */

/** The API token, for this tab only. */
export const token = {
  get: () => sessionStorage.getItem('token'),
  set: (/** @type {string} */ value) => sessionStorage.setItem('token', value),
  forget: () => sessionStorage.removeItem('token'),
};

/**
 * Sends a request. Never throws.
 * @param {string} method @param {string} path
 * @param {{ json?: object, headers?: Record<string, string>, keepalive?: boolean }} [options] keepalive: although the page goes away
 * @returns {Promise<Answer>}
 */
export async function send(method, path, { json, headers, keepalive = false } = {}) {
  const isForTasks = path.startsWith('/api/');
  const secret = isForTasks && token.get();
  const startedAt = performance.now();
  try {
    const response = await fetch(path, {
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
    if (isForTasks) showRequest(`${method} ${path}`, response, performance.now() - startedAt);
    const { status } = response;
    if (status === 401) document.dispatchEvent(new Event('token-wanted'));
    const text = await response.text();
    const isJson = text && response.headers.get('Content-Type')?.startsWith('application/json');
    return { status, body: isJson ? JSON.parse(text) : {}, etag: response.headers.get('ETag') ?? '' };
  } catch {
    return { status: 0, body: {}, etag: '' };
  }
}

/** What a person should know of an answer that is not a success. @param {Answer} answer */
export function explain({ status, body }) {
  if (status === 0) return 'nothing answers.';
  if (status === 504) return 'no answer in time, it may be done or not.';
  return `${body.error ?? `status ${status}`}.`;
}
