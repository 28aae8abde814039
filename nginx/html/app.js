// @ts-check
// Starts the page: asks the tiers how they are, then for the tasks, again and again while somebody looks.
import { sendDraft } from './changes.js';
import { send, token } from './request.js';
import { find, showTiers, write } from './stack.js';
import { refresh, render, startAnew, state } from './tasks.js';

const interval = 2_000; // milliseconds from the last answer to the next question

/** @type {import('./stack.js').State} */
let web = 'unknown';

/** Asks a health endpoint. What keeps silent for 1.5 s is not called up any more. @param {string} path */
async function ask(path) {
  const timer = setTimeout(() => showTiers(web, 'unknown', 'unknown', 'Waiting for an answer …'), 1_500);
  const answer = await send('GET', path);
  clearTimeout(timer);
  return answer;
}

/** @returns {Promise<boolean>} whether all is up */
async function checkTiers() {
  const edge = await ask('/nginx-health');
  if (edge.status === 0) {
    if (web === 'absent') showTiers(web, 'down', 'unknown', 'The API is down: nothing answers.');
    else showTiers((web = 'down'), 'unknown', 'unknown', 'nginx is down, or the network to it: nothing answers.');
    return false;
  }
  web = edge.status === 200 ? 'up' : 'absent'; // `npm start` has no nginx: the API answers, with 204
  const { status, body } = await ask('/healthz');
  if (status === 200 || body.reason === 'shutting down') { // a replica that is about to end still answers
    showTiers(web, 'up', 'up', web === 'up' ? 'All three tiers are up.' : 'API and database are up. There is no nginx here.');
    return true;
  }
  if (status === 503) showTiers(web, 'up', 'down', `The database is down. The API says: ${body.reason}.`);
  else if (status !== 429) showTiers(web, 'down', 'unknown', `The API is down: ${status ? `nginx answers ${status}` : 'it does not answer'}.`);
  return false;
}

let timer = 0;
let isRunning = false;

async function tick() {
  clearTimeout(timer);
  if (isRunning || document.hidden) return;
  isRunning = true;
  const isUp = await checkTiers();
  if (!isUp) write('#stale', state.tasks[0] ? 'The tasks below may be out of date.' : 'The tasks follow when the stack is back.');
  else if (find('#token-form').hidden) {
    await sendDraft();
    await refresh();
  }
  isRunning = false;
  timer = setTimeout(() => void tick(), interval);
}
document.addEventListener('visibilitychange', () => void tick());

/** @param {boolean} isWanted */
function askForToken(isWanted) {
  find('#token-form').hidden = !isWanted;
  find('#tasks').hidden = isWanted;
  find(isWanted ? '#token' : '#title').focus();
}

document.addEventListener('token-wanted', () => {
  write('#token-problem', token.get() === null ? '' : 'The server does not accept this token.');
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
void tick();
