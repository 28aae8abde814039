// @ts-check
// New tasks, from "Add" until the API has stored or refused them. Each has its own key, so it is
// stored only once, however often it is sent. The tab keeps the tasks across a reload.
import { keepInTab, report, send } from './request.js';
import { find, write } from './stack.js';
import { fromTemplate, isFiltered, note, render, say, showChanged, state } from './tasks.js';

/**
 * @typedef {object} Draft
 * @property {string} key
 * @property {string} title
 * @property {number} since when it was typed, in milliseconds
 * @property {'sent' | 'waits' | 'refused'} is
 * @property {string} problem
 */

const keyIsKept = 23 * 3_600_000; // milliseconds; the API forgets a key after 24 hours
// Whether an answer means that the task itself is invalid. Any other answer, or none, leaves open
// whether the task can be stored. During a release, an older replica answers 422 to a key that a
// newer one has stored.
const isRefused = (/** @type {number} */ status) =>
  status >= 400 && status < 500 && ![401, 408, 409, 422, 425, 429].includes(status);

/** @type {Draft[]} oldest first */
let drafts = JSON.parse(sessionStorage.getItem('drafts') ?? '[]');
for (const draft of drafts) if (draft.is === 'sent') draft.is = 'waits'; // its answer is lost

/** @type {Map<Draft, HTMLElement>} */
const rows = new Map();

function show() {
  keepInTab('drafts', drafts);
  for (const [draft, row] of rows) {
    if (drafts.includes(draft)) continue;
    if (row.contains(document.activeElement)) find('#title').focus();
    row.remove();
    rows.delete(draft);
  }
  for (const draft of drafts) fillRow(rows.get(draft) ?? newRow(draft), draft);
}

/** @param {Draft} draft */
function newRow(draft) {
  const row = fromTemplate('draft');
  rows.set(draft, row);
  find('.edit', row).addEventListener('click', () => {
    edit(draft);
    find('#title').focus();
  });
  find('.discard', row).addEventListener('click', () => forget(draft));
  find('#drafts').prepend(row);
  return row;
}

/** @param {HTMLElement} row @param {Draft} draft */
function fillRow(row, { title, is, problem }) {
  write('.title', title, row);
  write('small', problem ? 'Not added yet' : 'Adding …', row);
  write('.problem', problem, row);
  find('.edit', row).hidden = is !== 'refused';
  find('.discard', row).hidden = problem === '';
  row.ariaBusy = String(is === 'sent');
  for (const button of row.querySelectorAll('button')) {
    button.ariaLabel = `${button.textContent} ${title}`;
  }
}

/** @param {string} title @param {Partial<Draft>} [more] */
function addDraft(title, more) {
  // Browsers have no randomUUID() over plain HTTP.
  const key = crypto.getRandomValues(new Uint32Array(4)).join('-');
  /** @type {Draft} */
  const draft = { key, title, since: Date.now(), is: 'sent', problem: '', ...more };
  drafts.push(draft);
  return draft;
}

/** @param {Draft} draft */
function forget(draft) {
  drafts = drafts.filter((other) => other !== draft);
  show();
}

/**
 * Puts a draft back into the field. Text that was already there becomes a draft itself.
 * @param {Draft} draft
 */
function edit(draft) {
  const field = find('#title');
  const typed = field.value;
  if (typed.trim()) addDraft(typed, { is: 'refused', problem: 'Not sent yet.' });
  field.value = draft.title;
  write('#title-problem', draft.problem);
  forget(draft);
}

/** @param {Draft} draft */
async function sendDraft(draft) {
  draft.is = 'sent';
  show();
  const { key, title } = draft;
  state.changes++;
  const headers = { 'Idempotency-Key': key };
  const answer = await send('POST', '/api/tasks', { json: { title }, headers });
  state.changes++;
  const { task } = answer.body;
  if (task) return added(draft, task);
  if (answer.status === 410) {
    note(`${title} was added, and has been deleted since.`);
    return forget(draft);
  }
  draft.is = isRefused(answer.status) ? 'refused' : 'waits';
  draft.problem = report('added', answer);
  if (draft.is === 'waits') {
    draft.problem += ' This tab keeps trying, and adds it only once.';
  }
  show();
  const isFieldFree = find('#title').value === '' && drafts.includes(draft);
  if (draft.is !== 'refused' || !isFieldFree) return;
  edit(draft);
  find('#title').ariaInvalid = 'true';
}

/** @param {Draft} draft @param {import('./request.js').Task} task */
async function added(draft, task) {
  const others = state.tasks.filter(({ id }) => id !== task.id); // a poll may already show it
  if (!isFiltered()) state.tasks = [task, ...others];
  forget(draft);
  render();
  await showChanged(task.id, `Added ${task.title}`);
}

let isRunning = false;

/** Sends the waiting drafts again, oldest first. */
export async function sendDrafts() {
  if (isRunning) return;
  isRunning = true;
  for (const draft of drafts.filter(({ is }) => is === 'waits')) {
    if (Date.now() - draft.since > keyIsKept) {
      draft.is = 'refused';
      draft.problem =
        'Nobody knows whether it was added. After this long, sending it again could add it twice.';
      show();
    } else if (drafts.includes(draft)) await sendDraft(draft);
  }
  isRunning = false;
}

find('#new').addEventListener('submit', (event) => {
  event.preventDefault();
  const field = find('#title');
  const title = field.value;
  field.focus();
  if (title === '') return; // for example, the second click of a double click
  field.value = '';
  field.ariaInvalid = 'false';
  write('#title-problem', '');
  note('');
  say(`Adding ${title}`);
  void sendDraft(addDraft(title));
});
show();
