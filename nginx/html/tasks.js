// @ts-check
// The list of tasks. What people typed is shown as text, never as HTML.
import { explain, send } from './request.js';
import { find, write } from './stack.js';

/** @typedef {import('./request.js').Task} Task */

const pageSize = 50;
const mostAtOnce = 500; // the most tasks in one answer
const common = ['pending', 'in_progress', 'completed', 'archived'];
const widestStatus = 11; // the most characters that fit into a small select
const statuses = new Set(common); // and any others that the API returns
const finished = /^(complete|completed|done|archived)$/;
/** What "Delete completed" deletes: archived tasks are meant to be kept. @param {Task} task */
export const isCompleted = ({ status }) => status !== 'archived' && finished.test(status);

/** What is known of the list. */
export const state = {
  /** @type {Task[]} newest first */
  tasks: [],
  /** @type {Set<number>} ids of tasks that are not shown: deleted here, but not yet in the API */
  hidden: new Set(),
  /** @type {Map<number, Partial<Task>>} changes without an answer yet, by id */
  pending: new Map(),
  /** @type {Map<number, string>} why the last change failed, by id */
  problems: new Map(),
  /** Counts our own changes: an answer requested before the latest change is out of date. */
  changes: 0,
};
/** Counts changes of the filter: answers to requests with an earlier filter are useless. */
let search = 0;
/** The value of `search` for which more tasks are being loaded. */
let loading = -1;
/** @type {string | undefined} where the list goes on after the last task; undefined at its end */
let nextCursor;
/** The last answer to a poll, for a conditional request. The path is empty if there was none. */
let known = { path: '', etag: '' };
/** @type {Map<number, HTMLElement>} */
const rows = new Map();
/** @type {WeakMap<HTMLElement, string>} what each row shows, to skip rows that are unchanged */
const shownBy = new WeakMap();

/** Announces something to screen readers. @param {string} text */
export const say = (text) => write('#said', text);

export const isFiltered = () => find('#status').value !== '' || find('#q').value !== '';

/** Says what happened to a task that is not in the list. @param {string} text */
export function note(text) {
  write('#note', text);
  find('#all').hidden = text === '' || !isFiltered();
}

const filter = () => Object.entries({ status: find('#status').value, q: find('#q').value });

/** @param {[name: string, value: string][]} parameters */
const query = (parameters) => new URLSearchParams(parameters.filter(([, value]) => value));

/** @param {number} limit */
const listPath = (limit, cursor = '') =>
  `/api/tasks?${query([['limit', String(limit)], ...filter(), ['cursor', cursor]])}`;

/** @param {Task} a @param {Task} b whether a comes after b in the list */
const isAfter = (a, b) =>
  a.created_at < b.created_at || (a.created_at === b.created_at && a.id > b.id);

/**
 * Asks whether the tasks on the page (the newest 500 at most) have changed, shows the answer, and
 * then resolves.
 * @returns {Promise<boolean | undefined>} whether the tasks could be read; undefined if something
 *   was changed meanwhile, so that the answer may be outdated
 */
export async function refresh() {
  const { changes } = state;
  const path = listPath(Math.min(mostAtOnce, Math.max(pageSize, state.tasks.length)));
  const headers = path === known.path ? { 'If-None-Match': known.etag } : {};
  const answer = await send('GET', path, { headers });
  if (answer.status === 401) return false;
  if (changes !== state.changes) return undefined;
  const { tasks: head, next_cursor } = answer.body;
  const isAsKnown = answer.status === 304;
  write('#stale', head || isAsKnown ? '' : `The tasks cannot be read: ${explain(answer)}`);
  if (!head) {
    if (!known.path) render();
    return isAsKnown;
  }
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
  return true;
}

/**
 * Shows the list after one of our own changes, and says if the filter hides the task.
 * @param {number} id @param {string} text what happened to the task
 */
export async function showChanged(id, text) {
  let isRead = await refresh();
  while (isRead === undefined) isRead = await refresh();
  say(text);
  const isHidden = isRead && isFiltered() && !state.tasks.some((task) => task.id === id);
  note(isHidden ? `${text}. The filter hides it.` : '');
}

async function loadMore() {
  if (loading === search) return;
  const asked = search;
  loading = asked;
  render();
  const answer = await send('GET', listPath(pageSize, nextCursor));
  if (asked !== search) return;
  loading = -1;
  const { tasks: page, next_cursor } = answer.body;
  write('#more-problem', page ? '' : `Not loaded: ${explain(answer)}`);
  if (page) {
    const listed = new Set(state.tasks.map(({ id }) => id));
    state.tasks = [...state.tasks, ...page.filter(({ id }) => !listed.has(id))];
    nextCursor = next_cursor;
    say(`${page.length} more ${page.length === 1 ? 'task' : 'tasks'}`);
  }
  render();
  if (find('#more').hidden) focusOn(page?.[0]?.id, 'input');
}

/** Forgets the list: nothing in it is valid for another filter or another person. */
export function startAnew() {
  state.changes++;
  search++;
  state.tasks = [];
  nextCursor = undefined;
  known = { path: '', etag: '' };
  write('#more-problem', '');
  note('');
}

/** @param {number | undefined} id @param {string} selector */
export function focusOn(id = 0, selector) {
  const row = rows.get(id);
  find(row ? selector : '#title', row).focus();
}

/** @returns {Task[]} */
export const shownTasks = () => state.tasks.filter(({ id }) => !state.hidden.has(id));

/**
 * Shows the state. Rows keep their elements, and so keep the focus.
 * @param {Set<number>} [arrived] ids of the rows to highlight
 */
export function render(arrived) {
  for (const { status } of state.tasks) statuses.add(status);
  fillStatuses(find('#status'), find('#status').value, ['', ...statuses]);

  const shown = shownTasks();
  const ids = new Set(shown.map(({ id }) => id));
  for (const [id, row] of rows) {
    if (ids.has(id)) continue;
    if (row.dataset.editing !== undefined) {
      // Keep what is being typed.
      showWork(row, id);
      continue;
    }
    const neighbour = row.nextElementSibling ?? row.previousElementSibling;
    const hasFocus = row.contains(document.activeElement);
    if (hasFocus) focusOn(Number(neighbour?.getAttribute('data-id')), 'input');
    row.remove();
    rows.delete(id);
  }
  let place = find('#list').firstElementChild;
  for (const task of shown) {
    const row = rows.get(task.id) ?? newRow(task, arrived?.has(task.id));
    while (place && !ids.has(Number(place.getAttribute('data-id')))) {
      place = place.nextElementSibling;
    }
    if (row === place) place = place.nextElementSibling;
    else find('#list').insertBefore(row, place);
    fillRow(row, { ...task, ...state.pending.get(task.id) });
  }
  write('#count', describe(shown));
  const completed = shown.filter(isCompleted).length;
  write('#clear', `Delete ${completed} completed`);
  find('#clear').hidden = completed === 0;
  write('#more', loading === search ? 'Loading …' : 'Load more');
  find('#more').hidden = nextCursor === undefined;
}

/** How many tasks there are, as far as the page can know. @param {Task[]} shown */
function describe(shown) {
  if (!known.path) return 'Reading the tasks …';
  const hasMore = nextCursor !== undefined;
  if (shown.length === 0 && hasMore) return 'There are more tasks.';
  if (shown.length === 0 && !isFiltered()) return 'No tasks yet. Add the first one above.';
  const tasks = shown.length === 1 ? 'task' : 'tasks';
  const counts = [...statuses].flatMap((status) => {
    const number = shown.filter((task) => task.status === status).length;
    return number ? `${number} ${status.replaceAll('_', ' ')}` : [];
  });
  const all = [
    hasMore ? `The newest ${shown.length} ${tasks} (there are more)` : `${shown.length} ${tasks}`,
    ...(counts.length > 0 ? [counts.join(', ')] : []),
  ].join(': ');
  const isOld = shown.length > mostAtOnce;
  return isOld ? `${all}. Those after the first ${mostAtOnce} are as they were when loaded.` : all;
}

/** @param {HTMLInputElement} select @param {string} value @param {string[]} values '' means any */
function fillStatuses(select, value, values) {
  if (select.dataset.values !== values.join()) {
    select.dataset.values = values.join();
    const options = values.map((status) => {
      return new Option(status.replaceAll('_', ' ') || 'all', status);
    });
    select.replaceChildren(...options);
  }
  if (select.value !== value) select.value = value;
}

/** @param {string} id of a template */
export function fromTemplate(id) {
  const template = document.getElementById(id);
  const content = template instanceof HTMLTemplateElement ? template.content : undefined;
  return document.importNode(find('li', content), true);
}

/** @param {Task} task @param {boolean} [isNew] */
function newRow({ id, created_at }, isNew = false) {
  const row = fromTemplate('task');
  rows.set(id, row);
  row.dataset.id = String(id);
  row.classList.toggle('new', isNew);
  const date = new Date(created_at);
  const time = date.toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'short' });
  row.dataset.made = `#${id}, ${time}`;
  return row;
}

/** @param {HTMLElement} row @param {Task} task */
function fillRow(row, { id, title, status }) {
  const shows = JSON.stringify([title, status, state.pending.has(id), state.problems.get(id)]);
  if (shownBy.get(row) === shows) return;
  shownBy.set(row, shows);
  write('.title', title, row);
  find('[type=checkbox]', row).checked = finished.test(status);
  row.classList.toggle('finished', finished.test(status));
  const select = find('select', row);
  fillStatuses(select, status, [...new Set([...common, status])]);
  const isCut = status.length > widestStatus;
  const about = [row.dataset.made, ...(isCut ? [status.replaceAll('_', ' ')] : [])];
  write('small', about.join(', '), row);
  showWork(row, id);
  for (const element of row.querySelectorAll('[data-label]')) {
    element.setAttribute('aria-label', `${element.getAttribute('data-label')} ${title}`);
  }
}

/** Shows whether a change is pending or has failed. @param {HTMLElement} row @param {number} id */
function showWork(row, id) {
  row.ariaBusy = String(state.pending.has(id));
  write('.problem', state.problems.get(id) ?? '', row);
}

async function searchAgain() {
  startAnew();
  history.replaceState(null, '', `?${query(filter())}`.replace(/^\?$/, '/'));
  await refresh();
  say(find('#count').textContent ?? '');
}

let typing = 0;
find('#filter').addEventListener('input', () => {
  clearTimeout(typing);
  typing = setTimeout(() => void searchAgain(), 250);
});
find('#filter').addEventListener('submit', (event) => event.preventDefault());
find('#all').addEventListener('click', () => {
  find('#status').value = '';
  find('#q').value = '';
  find('#q').focus();
  void searchAgain();
});
find('#more').addEventListener('click', () => void loadMore());

// A reload or a shared link shows the same filter.
const asked = new URLSearchParams(location.search);
const status = asked.get('status') ?? '';
if (status) statuses.add(status);
fillStatuses(find('#status'), status, ['', ...statuses]);
find('#q').value = asked.get('q') ?? '';
