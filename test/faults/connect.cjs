// Runs in the network of a container: connects to the host and port in its arguments, and prints
// what happens: `connected`, `no answer` or the code of the error.
const { connect } = require('node:net');

const [, host, port] = process.argv;
const say = (word) => {
  console.log(word);
  process.exit();
};
connect({ host, port, timeout: 3000 })
  .on('connect', () => say('connected'))
  .on('timeout', () => say('no answer'))
  .on('error', ({ code }) => say(code));
