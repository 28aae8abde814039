// Starts processes without end, and fills the log as fast as it can.
import { spawn } from 'node:child_process';

const more = () => spawn('sleep', ['1000']).on('error', () => undefined);
setInterval(() => Array.from({ length: 50 }, more), 10);

const line = `${'\u001B[1A\u001B[2K✓ all passed '.repeat(5_000)}\n`;
const flood = () => {
  while (process.stdout.write(line));
};
process.stdout.on('drain', flood);
flood();
