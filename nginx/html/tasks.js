// @ts-check
// The list of tasks. What people typed is only ever set as text.
import { explain, send } from './request.js';
import { find, write } from './stack.js';

/** @typedef {import('./request.js').Task} Task */

const pageSize = 50;
const common = ['pending', 'in_progress', 'completed', 'archived'];
const statuses = new Set(common); // and what else the API lists
const finished = /^(complete|completed|done|archived)$/;

/** What is known of the list. */
export const state = {
  /** @type {Task[]} newest first */
  tasks: [],
  /** @type {Set<number>} ids that are not shown: deleted, but the API does not know yet */
  hidden: new Set(),
  /** Counts our own changes: an answer that was asked for before the last one is out of date. */
  changes: 0,
};
/** @type {string | undefined} where the page after the last task starts */
let nextCursor;
/** The last answer to a poll, in order to ask only for another one. */
let known = { path: '', etag: '' };
/** @type {Map<number, HTMLElement>} */
const rows = new Map();

/** Tells those who cannot see it. @param {string} text */
export const say = (text) => write('#said', text);

export const isFiltered = () => find('#status').value !== '' || find('#q').value !== '';

/** @param {number} limit */
function listPath(limit, cursor = '') {
  const parameters = Object.entries({ limit: `${limit}`, status: find('#status').value, q: find('#q').value, cursor });
  return `/api/tasks?${new URLSearchParams(parameters.filter(([, value]) => value))}`;
}

/** @param {Task} a @param {Task} b whether a comes after b in the list */
const isAfter = (a, b) => a.created_at < b.created_at || (a.created_at === b.created_at && a.id > b.id);

/** Asks for what is shown, up to the 500 tasks of one answer, if it has changed. Resolves when it is shown. */
export async function refresh() {
  const { changes } = state;
  const path = listPath(Math.min(500, Math.max(pageSize, state.tasks.length)));
  const answer = await send('GET', path, { headers: path === known.path ? { 'If-None-Match': known.etag } : {} });
  if (changes !== state.changes || answer.status === 401) return;
  const { tasks: head, next_cursor } = answer.body;
  if (head) {
    const { tasks } = state;
    const last = head.at(-1);
    const rest = last && next_cursor ? tasks.filter((task) => isAfter(task, last)) : [];
    if (rest.length === 0) nextCursor = next_cursor;
    const first = tasks[0];
    const arrived = known.path ? head.filter((task) => !first || isAfter(first, task)) : [];
    known = { path, etag: answer.etag };
    state.tasks = [...head, ...rest];
    render(new Set(arrived.map(({ id }) => id)));
    if (arrived.length > 0) say(`New: ${arrived.map(({ title }) => title).join(', ')}`);
  }
  write('#stale', head || answer.status === 304 ? '' : `The tasks cannot be read: ${explain(answer)}`);
}

async function loadMore() {
  const { changes } = state;
  const answer = await send('GET', listPath(pageSize, nextCursor));
  const { tasks: page, next_cursor } = answer.body;
  if (changes !== state.changes) return;
  if (!page) return write('#stale', `No more tasks: ${explain(answer)}`);
  state.tasks = [...state.tasks, ...page.filter(({ id }) => !rows.has(id))];
  nextCursor = next_cursor;
  render();
  say(`${page.length} more tasks`);
  if (find('#more').hidden) focusOn(page[0]?.id, 'input');
}

/** Another filter, or another person: nothing of the old list counts any more. */
export function startAnew() {
  state.changes++;
  state.tasks = [];
  known = { path: '', etag: '' };
}

/** @param {number | undefined} id @param {string} selector */
export function focusOn(id = 0, selector) {
  const row = rows.get(id);
  find(row ? selector : '#title', row).focus();
}

/** Shows the state. Rows stay the elements they are, and with them the focus. @param {Set<number>} [arrived] rows to point out */
export function render(arrived) {
  for (const { status } of state.tasks) statuses.add(status);
  fillStatuses(find('#status'), find('#status').value, ['', ...statuses]);

  const shown = state.tasks.filter(({ id }) => !state.hidden.has(id));
  const ids = new Set(shown.map(({ id }) => id));
  for (const [id, row] of rows) {
    if (ids.has(id) || row.dataset.editing !== undefined) continue; // what somebody types stays
    const neighbour = row.nextElementSibling ?? row.previousElementSibling;
    if (row.contains(document.activeElement)) focusOn(Number(neighbour?.getAttribute('data-id')), 'input');
    row.remove();
    rows.delete(id);
  }
  let place = find('#list').firstElementChild;
  for (const task of shown) {
    const row = rows.get(task.id) ?? newRow(task, arrived?.has(task.id));
    while (place && !ids.has(Number(place.getAttribute('data-id')))) place = place.nextElementSibling;
    if (row === place) place = place.nextElementSibling;
    else find('#list').insertBefore(row, place);
    fillRow(row, task);
  }
  const number = `${shown.length} task${shown.length === 1 ? '' : 's'}`;
  write('#count', shown.length === 0 && !isFiltered() ? 'No task yet. Write the first one above.' : number);
  find('#more').hidden = nextCursor === undefined;
}

/** @param {HTMLInputElement} select @param {string} value @param {string[]} values '' is any */
function fillStatuses(select, value, values) {
  if (select.dataset.values !== values.join()) {
    select.dataset.values = values.join();
    select.replaceChildren(...values.map((status) => new Option(status.replaceAll('_', ' ') || 'all', status)));
  }
  if (select.value !== value) select.value = value;
}

/** @param {Task} task @param {boolean} [isNew] */
function newRow({ id, created_at }, isNew = false) {
  const row = document.importNode(find('li', document.querySelector('template')?.content), true);
  rows.set(id, row);
  row.dataset.id = String(id);
  row.classList.toggle('new', isNew);
  const time = new Date(created_at).toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'short' });
  find('small', row).textContent = `#${id}, ${time}`;
  return row;
}

/** @param {HTMLElement} row @param {Task} task */
function fillRow(row, { title, status }) {
  find('.title', row).textContent = title;
  find('[type=checkbox]', row).checked = finished.test(status);
  row.classList.toggle('finished', finished.test(status));
  fillStatuses(find('select', row), status, [...new Set([...common, status])]);
  for (const element of row.querySelectorAll('[data-label]')) {
    element.setAttribute('aria-label', `${element.getAttribute('data-label')} ${title}`);
  }
}

let typing = 0;
find('#filter').addEventListener('input', () => {
  clearTimeout(typing);
  typing = setTimeout(async () => {
    startAnew();
    await refresh();
    say(find('#count').textContent ?? '');
  }, 250);
});
find('#filter').addEventListener('submit', (event) => event.preventDefault());
find('#more').addEventListener('click', () => void loadMore());
fillStatuses(find('#status'), '', ['', ...statuses]);
