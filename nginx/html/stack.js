// @ts-check
// What the page shows of the stack: the three tiers, and the last requests.

/** @typedef {'up' | 'down' | 'unknown' | 'absent'} State */

/** An element of the page, typed as the field it may be. @param {string} selector @returns {HTMLInputElement} */
export const find = (selector, /** @type {ParentNode} */ within = document) => {
  const element = within.querySelector(selector);
  if (!element) throw new Error(`the page has no ${selector}`);
  return /** @type {HTMLInputElement} */ (element);
};

/** Only what changes is written: a live region is read out then. @param {string} selector @param {string} text */
export function write(selector, text) {
  const element = find(selector);
  if (element.textContent !== text) element.textContent = text;
}

/** @param {State} web @param {State} api @param {State} db @param {string} summary the same in a sentence */
export function showTiers(web, api, db, summary) {
  for (const [name, state] of Object.entries({ web, api, db })) {
    find(`#${name}`).dataset.state = state;
    write(`#${name} em`, state === 'absent' ? 'not in use' : state);
    if (state !== 'up') write(`#${name} small`, '');
  }
  write('#summary', summary);
}

/**
 * What each tier took by itself: in Server-Timing, the time of a tier includes those behind it.
 * @param {number} total milliseconds until the answer @param {string} header
 * @returns {[name: string, ms: number][]} from the outside in, without what is not known
 */
function split(total, header) {
  /** @type {[string, number][]} */
  const spans = [['network', total]];
  for (const name of ['web', 'api', 'db']) {
    const ms = new RegExp(`\\b${name};dur=([\\d.]+)`).exec(header)?.[1];
    if (ms) spans.push([name, Number(ms)]);
  }
  return spans.map(([name, ms], n) => [name, Math.max(0, ms - (spans[n + 1]?.[1] ?? 0))]);
}

const digits = (/** @type {number} */ ms) => ms.toFixed(ms < 10 ? 1 : 0);
let repeated = 0;

/** @param {string} request @param {Response} response @param {number} total milliseconds */
export function showRequest(request, { status, headers }, total) {
  const requests = find('#requests');
  const parts = split(total, headers.get('Server-Timing') ?? '');
  const last = requests.firstElementChild;
  // A poll that brings nothing new takes the line of the one before.
  repeated = status === 304 && last?.getAttribute('data-request') === request ? repeated + 1 : 0;
  if (repeated > 1) last?.remove();

  const item = document.createElement('li');
  item.dataset.request = request;
  const add = (/** @type {string} */ tag, /** @type {string} */ text, className = '') => {
    const element = document.createElement(tag);
    element.textContent = text;
    element.className = className;
    item.append(element);
    return element;
  };
  add('b', request);
  add('span', `${status}${repeated > 1 ? ` × ${repeated}` : ''} in ${digits(total)} ms`, status < 400 ? '' : 'bad');
  const bar = add('div', '', 'bar');
  for (const [name, ms] of parts) {
    const part = document.createElement('i');
    part.className = name;
    part.style.flexGrow = String(ms);
    bar.append(part);
    if (name !== 'network') write(`#${name} small`, `${digits(ms)} ms`);
  }
  add('small', parts.map(([name, ms]) => `${name} ${digits(ms)}`).join(' + '));
  const replica = headers.get('X-Served-By');
  add('small', `${replica ? `replica ${replica}, ` : ''}id`);
  add('code', headers.get('X-Request-Id') ?? '');
  requests.prepend(item);
  if (requests.children.length > 6) requests.lastElementChild?.remove();
}
