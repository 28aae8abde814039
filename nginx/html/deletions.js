// @ts-check
// Deletes one task or all completed ones. A DELETE is sent only when undo is no longer possible,
// because the API cannot bring a deleted task back.
import { keepInTab, report, send } from './request.js';
import { find, write } from './stack.js';
import { focusOn, isCompleted, refresh, render, say, shownTasks, state } from './tasks.js';

/** @typedef {import('./request.js').Task} Task */

const undoTime = 8_000; // milliseconds
const longestUndo = 3; // times undoTime: the limit while somebody is about to press Undo
const atOnce = 4; // the most DELETEs at a time
const pause = 1_000; // milliseconds to wait after 429
const continued = 600_000; // milliseconds; a page loaded later than that sends no leftover DELETE

/** @type {Task[]} tasks whose deletion can be undone */
let undoable = [];
/** @type {Task[]} tasks whose deletion can no longer be undone and has no answer yet */
let sure = [];
/** @type {Task[]} those of `sure` whose DELETE has not been sent yet */
let queue = [];
let timer = 0;
/** The id of the task whose row gets the focus when Undo disappears. */
let nextId = 0;

/** @param {Task[]} tasks @param {string} what */
function remove(tasks, what) {
  finishDeleting();
  const isGone = (/** @type {Task} */ { id }) => tasks.some((task) => task.id === id);
  const shown = shownTasks();
  const rest = shown.slice(shown.findIndex(isGone)).find((task) => !isGone(task));
  nextId = (rest ?? shown.findLast((task) => !isGone(task)))?.id ?? 0;
  undoable = tasks;
  for (const { id } of tasks) state.hidden.add(id);
  render();
  write('#problem', '');
  say(`Deleted ${what}`);
  write('#undo p', `Deleted ${what}`);
  find('#undo').hidden = false;
  find('#undo button').focus();
  waitForUndo(longestUndo);
}

/** @param {number} rounds */
function waitForUndo(rounds) {
  clearTimeout(timer);
  timer = setTimeout(() => {
    const isInUse = find('#undo').matches(':hover, :has(:focus-visible)');
    if (isInUse && rounds > 1) waitForUndo(rounds - 1);
    else finishDeleting();
  }, undoTime);
}

function closeUndo() {
  undoable = [];
  clearTimeout(timer);
  const isAtKeyboard = find('#undo').matches(':has(:focus-visible)');
  find('#undo').hidden = true;
  if (isAtKeyboard) focusOn(nextId, '.delete');
}

function makeSure() {
  queue.push(...undoable);
  sure.push(...undoable);
  closeUndo();
  keep();
}

function finishDeleting() {
  makeSure();
  for (let n = 0; n < atOnce; n++) void workOff();
}

/**
 * Keeps the deletions that have no answer. A browser sends only a few requests of a closing page;
 * the tab sends the others when the page is loaded again.
 */
function keep() {
  keepInTab('deletions', { at: Date.now(), tasks: sure });
}

function goOn() {
  const { at, tasks } = JSON.parse(sessionStorage.getItem('deletions') ?? '{"at":0}');
  if (Date.now() - at > continued) return;
  for (const { id } of tasks) state.hidden.add(id);
  undoable = tasks;
  finishDeleting();
}

async function workOff() {
  for (let task = queue.shift(); task; task = queue.shift()) await sendDelete(task);
}

/** @param {Task} task */
async function sendDelete(task, keepalive = false) {
  const { id, title } = task;
  state.changes++;
  const answer = await send('DELETE', `/api/tasks/${id}`, { keepalive });
  state.changes++;
  if (answer.status === 429 && !keepalive) {
    queue.push(task); // before the pause, so that it is sent if the page is left meanwhile
    await new Promise((resolve) => setTimeout(resolve, pause));
    return;
  }
  const isGone = answer.status === 200 || answer.status === 404;
  if (isGone || !keepalive) sure = sure.filter((other) => other.id !== id);
  keep();
  if (isGone) state.tasks = state.tasks.filter((other) => other.id !== id);
  state.hidden.delete(id);
  if (!isGone) {
    state.problems.set(id, report('deleted', answer));
    write('#problem', `${title}. ${report('deleted', answer)}`);
  }
  render();
  if (!isGone) await refresh();
}

function undo() {
  const [first] = undoable;
  if (!first) return;
  for (const { id } of undoable) state.hidden.delete(id);
  const what = undoable.length === 1 ? `${first.title} is` : `${undoable.length} tasks are`;
  render();
  closeUndo();
  focusOn(first.id, '.delete');
  say(`${what} back`);
}

function leave() {
  makeSure();
  for (const task of queue.splice(0)) void sendDelete(task, true);
}

export function listenForDeletions() {
  find('#undo button').addEventListener('click', undo);
  find('#undo').addEventListener('keydown', ({ key }) => {
    if (key === 'Escape') finishDeleting();
  });
  find('#list').addEventListener('click', ({ target }) => {
    const button = /** @type {HTMLElement} */ (target);
    const id = Number(button.closest('li')?.dataset.id);
    const task = state.tasks.find((other) => other.id === id);
    if (task && button.className === 'delete') remove([task], task.title);
  });
  find('#clear').addEventListener('click', () => {
    const tasks = shownTasks().filter(isCompleted);
    remove(tasks, `${tasks.length} completed ${tasks.length === 1 ? 'task' : 'tasks'}`);
  });
  addEventListener('pagehide', leave);
  goOn();
}
