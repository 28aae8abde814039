// @ts-check
// Changing a task in its row: the checkbox, the status, and the title in place.
import { report, send } from './request.js';
import { find, write } from './stack.js';
import { refresh, render, showChanged, state } from './tasks.js';

/** @typedef {{ title?: string, status?: string }} Change */

/** @type {Map<number, Promise<unknown>>} the last change sent, by id */
const lastSent = new Map();

/**
 * Sends a change. Changes to the same task are sent one after another.
 * @param {number} id @param {Change} json
 */
async function sendChange(id, json) {
  await lastSent.get(id);
  state.changes++;
  const answer = await send('PATCH', `/api/tasks/${id}`, { json });
  state.changes++;
  return answer;
}

/** @param {number} id @param {Change} json @returns {Promise<boolean>} whether it is stored */
async function change(id, json) {
  state.pending.set(id, { ...state.pending.get(id), ...json });
  state.problems.delete(id);
  write('#problem', '');
  render();
  const sent = sendChange(id, json);
  lastSent.set(id, sent);
  const answer = await sent;
  if (lastSent.get(id) === sent) {
    lastSent.delete(id);
    state.pending.delete(id);
  }
  const { task } = answer.body;
  const title = state.tasks.find((old) => old.id === id)?.title ?? json.title;
  if (task) state.tasks = state.tasks.map((old) => (old.id === id ? task : old));
  else state.problems.set(id, report('changed', answer));
  if (answer.status === 404) write('#problem', `${title} was deleted by somebody else.`);
  render(); // also undoes on the page what was not stored
  if (task) await showChanged(id, `${task.title}: ${task.status.replaceAll('_', ' ')}`);
  else await refresh();
  return task !== undefined;
}

/** @param {HTMLElement} row @param {number} id @param {boolean} isOn */
function edit(row, id, isOn) {
  const hadFocus = row.contains(document.activeElement);
  row.toggleAttribute('data-editing', isOn);
  state.problems.delete(id);
  const field = find('form input', row);
  if (isOn) {
    // A text field drops line breaks, so a saved title has none.
    field.defaultValue = find('.title', row).textContent ?? '';
    field.value = field.defaultValue;
    field.select();
  } else if (hadFocus) find('.edit', row).focus();
  render();
}

/** @param {HTMLElement} row @param {number} id */
async function save(row, id) {
  const field = find('form input', row);
  const { value, defaultValue } = field;
  if (value === defaultValue) return edit(row, id, false);
  if (state.pending.get(id)?.title === value) return; // already sent
  const isStored = await change(id, { title: value });
  // Keep what was typed meanwhile.
  if (isStored && field.value === value) edit(row, id, false);
}

/**
 * @param {string} type
 * @param {(row: HTMLElement, id: number, field: HTMLInputElement, event: Event) => unknown} act
 */
const inRow = (type, act) =>
  find('#list').addEventListener(type, (event) => {
    const field = /** @type {HTMLInputElement} */ (event.target);
    const row = field.closest('li');
    if (row) act(row, Number(row.dataset.id), field, event);
  });

export function listenForChanges() {
  inRow('change', (_row, id, { type, checked, value }) => {
    if (type === 'checkbox') void change(id, { status: checked ? 'completed' : 'pending' });
    else if (type !== 'text') void change(id, { status: value });
  });
  inRow('click', (row, id, { className }) => {
    if (className === 'edit' || className === 'cancel') edit(row, id, className === 'edit');
  });
  inRow('keydown', (row, id, { type }, event) => {
    const isEscape = event instanceof KeyboardEvent && event.key === 'Escape';
    if (type === 'text' && isEscape) edit(row, id, false);
  });
  inRow('submit', (row, id, _form, event) => {
    event.preventDefault();
    void save(row, id);
  });
}
