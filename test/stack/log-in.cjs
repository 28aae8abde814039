// Runs in a container of the API: logs in to the database as the role in its argument, with the
// password on its standard input. Prints `yes`, or the SQLSTATE of the refusal.
const { readFileSync } = require('node:fs');
const { Client } = require('pg');

const password = readFileSync(0, 'utf8');
const client = new Client({ host: 'db', user: process.argv[1], database: 'taskdb', password });
const say = (word) => {
  console.log(word);
  process.exit();
};
client.connect().then(
  () => say('yes'),
  ({ code }) => say(code),
);
