// @ts-check
// What people do with the tasks: add, change, edit in place, delete and undo.
import { explain, send } from './request.js';
import { find, write } from './stack.js';
import { focusOn, isFiltered, refresh, render, say, state } from './tasks.js';

const undoTime = 8_000; // milliseconds

/** Sends a change. @param {string} method @param {string} path @param {Parameters<typeof send>[2]} options */
async function sendChange(method, path, options) {
  write('#problem', '');
  state.changes++;
  const answer = await send(method, path, options);
  state.changes++;
  return answer;
}

/** @param {number} id @param {{ title?: string, status?: string }} json @returns {Promise<boolean>} whether it is stored */
async function change(id, json) {
  const answer = await sendChange('PATCH', `/api/tasks/${id}`, { json });
  const { task } = answer.body;
  if (task) state.tasks = state.tasks.map((old) => (old.id === id ? task : old));
  render(); // also puts back what was not changed
  if (task) await refresh();
  if (task) say(`${task.title}: ${task.status.replaceAll('_', ' ')}`);
  else write('#problem', `Not changed: ${explain(answer)}`);
  return task !== undefined;
}

/** @param {HTMLElement} row @param {boolean} isOn */
function edit(row, isOn) {
  row.toggleAttribute('data-editing', isOn);
  const field = find('form input', row);
  if (isOn) {
    field.defaultValue = find('.title', row).textContent ?? ''; // without line breaks, which a field cannot have
    field.value = field.defaultValue;
    field.select();
  } else {
    find('.edit', row).focus();
    render();
  }
}

/** @type {{ title: string, key: string, isSent: boolean, waits: boolean } | undefined} a task that may not be stored yet */
let draft;

async function create() {
  const title = find('#title').value;
  // randomUUID() is missing over plain http
  if (draft?.title !== title) draft = { title, key: crypto.getRandomValues(new Uint32Array(4)).join('-'), isSent: false, waits: false };
  const sent = draft;
  if (sent.isSent) return;
  sent.isSent = true;
  const answer = await sendChange('POST', '/api/tasks', { json: { title }, headers: { 'Idempotency-Key': sent.key } });
  sent.isSent = false;
  // Neither stored nor refused, as far as we know: under the same key it may be sent again, and is stored once.
  sent.waits = [0, 409, 429, 502, 503, 504].includes(answer.status);
  const again = sent.waits ? ' It is sent again as soon as the stack is back.' : '';
  const { task } = answer.body;
  write('#title-problem', task ? '' : `Not added: ${explain(answer)}${again}`);
  find('#title').ariaInvalid = String(answer.status === 400);
  if (!task) return;
  draft = undefined;
  if (find('#title').value === title) find('#title').value = '';
  if (!isFiltered()) state.tasks = [task, ...state.tasks];
  render();
  await refresh();
  say(`Added ${task.title}`);
}

/** Sends the task again that could not be created, unless its text was changed since. */
export async function sendDraft() {
  if (draft?.waits && draft.title === find('#title').value) await create();
}

/** @type {{ id: number, title: string } | undefined} the task that is deleted as soon as nobody can undo it any more */
let deleted;
let timer = 0;

/** @param {number} id @param {string} title */
function remove(id, title) {
  void finishDeleting();
  deleted = { id, title };
  state.hidden.add(id);
  render();
  say(`Deleted ${title}`);
  write('#undo p', `Deleted ${title}`);
  find('#undo').hidden = false;
  find('#undo button').focus();
  waitForUndo();
}

function waitForUndo() {
  clearTimeout(timer);
  timer = setTimeout(() => {
    if (find('#undo').matches(':hover, :has(:focus-visible)')) waitForUndo(); // somebody is about to use it
    else void finishDeleting();
  }, undoTime);
}

/** The DELETE has waited until now because nothing brings the same task back. */
async function finishDeleting(keepalive = false) {
  if (!deleted) return;
  const { id, title } = deleted;
  closeUndo();
  const answer = await sendChange('DELETE', `/api/tasks/${id}`, { keepalive });
  const isGone = answer.status === 200 || answer.status === 404;
  if (isGone) state.tasks = state.tasks.filter((task) => task.id !== id);
  state.hidden.delete(id);
  render();
  if (!isGone) write('#problem', `Not deleted, ${title}: ${explain(answer)}`);
}

function closeUndo() {
  deleted = undefined;
  clearTimeout(timer);
  find('#undo').hidden = true;
}

find('#undo button').addEventListener('click', () => {
  if (!deleted) return;
  const { id, title } = deleted;
  closeUndo();
  state.hidden.delete(id);
  render();
  focusOn(id, '.delete');
  say(`${title} is back`);
});
addEventListener('pagehide', () => void finishDeleting(true));

find('#new').addEventListener('submit', (event) => {
  event.preventDefault();
  void create();
});

/** @param {string} type @param {(row: HTMLElement, id: number, field: HTMLInputElement, event: Event) => unknown} act */
const inRow = (type, act) =>
  find('#list').addEventListener(type, (event) => {
    const field = /** @type {HTMLInputElement} */ (event.target);
    const row = field.closest('li');
    if (row) act(row, Number(row.dataset.id), field, event);
  });

inRow('change', (_row, id, { type, checked, value }) => {
  if (type !== 'text') void change(id, { status: type !== 'checkbox' ? value : checked ? 'completed' : 'pending' });
});
inRow('click', (row, id, { className }) => {
  if (className === 'edit' || className === 'cancel') edit(row, className === 'edit');
  if (className === 'delete') remove(id, find('.title', row).textContent ?? '');
});
inRow('keydown', (row, _id, { type }, event) => {
  if (type === 'text' && event instanceof KeyboardEvent && event.key === 'Escape') edit(row, false);
});
inRow('submit', async (row, id, _form, event) => {
  event.preventDefault();
  const { value, defaultValue } = find('form input', row);
  if (value === defaultValue || (await change(id, { title: value }))) edit(row, false);
});
