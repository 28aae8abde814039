// @ts-check
// What the page shows of the stack: the three tiers and the latest requests.

/** @typedef {'up' | 'down' | 'unknown' | 'absent'} State */

/**
 * Finds an element of the page. Its type is that of a field, because it may be one.
 * @param {string} selector @returns {HTMLInputElement}
 */
export const find = (selector, /** @type {ParentNode} */ within = document) => {
  const element = within.querySelector(selector);
  if (!element) throw new Error(`the page has no ${selector}`);
  return /** @type {HTMLInputElement} */ (element);
};

/**
 * Writes only what has changed, because a screen reader reads out every write to a live region.
 * @param {string} selector @param {string} text
 */
export function write(selector, text, /** @type {ParentNode} */ within = document) {
  const element = find(selector, within);
  if (element.textContent !== text) element.textContent = text;
}

/**
 * @param {State} web @param {State} api @param {State} db
 * @param {string} summary the three states in a sentence
 */
export function showTiers(web, api, db, summary) {
  for (const [name, state] of Object.entries({ web, api, db })) {
    find(`#${name}`).dataset.state = state;
    write(`#${name} em`, state === 'absent' ? 'not in use' : state);
    write(`#${name} code`, `docker compose ${state === 'down' ? 'start' : 'stop'} ${name}`);
    if (state !== 'up') write(`#${name} small`, '');
  }
  write('#summary', summary);
}

/**
 * How long each tier took by itself. In Server-Timing, a tier's time includes that of the tiers
 * behind it.
 * @param {number} total milliseconds until the answer @param {string} header
 * @returns {[name: string, ms: number][]} from the outside in, without tiers whose time is unknown
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
let repeated = 1;

/**
 * @param {string} request @param {number} total milliseconds
 * @param {number} status 0: no complete answer
 */
export function showRequest(request, total, status, headers = new Headers()) {
  const requests = find('#requests');
  const parts = split(total, headers.get('Server-Timing') ?? '');
  const last = requests.firstElementChild;
  const outcome = status === 0 ? 'no answer' : String(status);
  const line = `${request} ${outcome}`;
  // A poll without news, or without an answer, replaces the line of the same poll before it.
  const mayRepeat = status === 304 || status === 0;
  const isRepeated = mayRepeat && last?.getAttribute('data-line') === line;
  repeated = isRepeated ? repeated + 1 : 1;
  if (isRepeated) last.remove();

  const item = document.createElement('li');
  item.dataset.line = line;
  const add = (/** @type {string} */ tag, /** @type {string} */ text, className = '') => {
    const element = document.createElement(tag);
    element.textContent = text;
    element.className = className;
    item.append(element);
    return element;
  };
  const times = repeated > 1 ? ` × ${repeated}` : '';
  const isGood = status > 0 && status < 400;
  add('b', request);
  add('span', `${outcome}${times} in ${digits(total)} ms`, isGood ? '' : 'bad');
  const bar = add('div', '', 'bar');
  for (const [name, ms] of parts) {
    const part = document.createElement('i');
    part.className = name;
    part.style.flexGrow = String(ms);
    bar.append(part);
    if (status !== 0) write(`#${name} small`, `${digits(ms)} ms`);
  }
  add('small', parts.map(([name, ms]) => `${name} ${digits(ms)}`).join(' + '));
  const id = headers.get('X-Request-Id');
  const replica = headers.get('X-Served-By');
  if (id) {
    add('small', `${replica ? `replica ${replica}, ` : ''}id`);
    add('code', id);
  }
  requests.prepend(item);
  if (requests.children.length > 6) requests.lastElementChild?.remove();
}

const port = location.port || (location.protocol === 'https:' ? '443' : '80');
write('#port', `:${port}`);
