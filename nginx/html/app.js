// @ts-check
// Starts the page. While it is visible, it polls the health of the tiers, then the tasks.
import { listenForChanges } from './changes.js';
import { listenForDeletions } from './deletions.js';
import { sendDrafts } from './drafts.js';
import { send, token } from './request.js';
import { find, showTiers, write } from './stack.js';
import { refresh, render, startAnew, state } from './tasks.js';

const interval = 2_000; // milliseconds from the last answer to the next poll

/** @type {import('./stack.js').State} */
let web = 'unknown';

/**
 * Asks a health endpoint. After 1.5 s without an answer, the API and the database are shown as
 * unknown.
 * @param {string} path
 */
async function ask(path) {
  const timer = setTimeout(() => {
    showTiers(web, 'unknown', 'unknown', 'Waiting for an answer …');
  }, 1_500);
  const answer = await send('GET', path);
  clearTimeout(timer);
  return answer;
}

/** @returns {Promise<boolean>} whether everything is up */
async function checkTiers() {
  const edge = await ask('/nginx-health');
  if (edge.status === 0) {
    if (web === 'absent') {
      showTiers(web, 'down', 'unknown', 'The API is down: nothing answers.');
    } else {
      web = 'down';
      const cause = 'nginx or the network to it is down: nothing answers.';
      showTiers(web, 'unknown', 'unknown', cause);
    }
    return false;
  }
  // Under `npm start` there is no nginx: local/page.ts answers with 204.
  web = edge.status === 200 ? 'up' : 'absent';
  const { status, body } = await ask('/healthz');
  if (status === 200 || body.reason === 'shutting down') {
    // A replica that is shutting down still answers.
    const all = 'All three tiers are up.';
    const some = 'The API and the database are up. There is no nginx here.';
    showTiers(web, 'up', 'up', web === 'up' ? all : some);
    return true;
  }
  explainHealth(status, body.reason ?? '');
  return false;
}

/** @param {number} status @param {string} reason */
function explainHealth(status, reason) {
  if (status === 503 && /unreachable/.test(reason)) {
    showTiers(web, 'up', 'down', `The database is down. The API says: ${reason}.`);
  } else if (status === 503 && reason) {
    showTiers(web, 'up', 'unknown', `The API says: ${reason}.`);
  } else if (status === 504) {
    showTiers(web, 'unknown', 'unknown', 'The API did not answer in time: nginx answers 504.');
  } else if (status === 429) {
    write('#summary', 'Too many requests: nginx answers 429. The page goes on asking.');
  } else {
    const cause = status ? `nginx answers ${status}` : 'it does not answer';
    showTiers(web, 'down', 'unknown', `The API is down: ${cause}.`);
  }
}

async function look() {
  if (!(await checkTiers())) {
    const stale = 'The tasks below may be out of date.';
    write('#stale', state.tasks[0] ? stale : 'The tasks will appear when the stack is back.');
  } else if (find('#token-form').hidden) {
    void sendDrafts();
    await refresh();
  }
}

let timer = 0;
let isRunning = false;

async function tick() {
  clearTimeout(timer);
  if (isRunning || document.hidden) return;
  isRunning = true;
  await look().finally(() => {
    isRunning = false;
    timer = setTimeout(() => void tick(), interval);
  });
}
document.addEventListener('visibilitychange', () => void tick());

/** @param {boolean} isWanted */
function askForToken(isWanted) {
  find('#token-form').hidden = !isWanted;
  find('#tasks').hidden = isWanted;
  find(isWanted ? '#token' : '#title').focus();
}

document.addEventListener('token-wanted', () => {
  const isRefused = token.get() !== null;
  write('#token-problem', isRefused ? 'The server does not accept this token.' : '');
  token.forget();
  startAnew();
  render();
  askForToken(true);
});
find('#token-form').addEventListener('submit', (event) => {
  event.preventDefault();
  token.set(find('#token').value.trim());
  find('#token').value = '';
  askForToken(false);
  void refresh();
});
listenForChanges();
listenForDeletions();
void tick();
