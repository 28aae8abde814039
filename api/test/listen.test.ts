import { once } from 'node:events';
import { connect } from 'node:net';
import { expect, it, onTestFinished } from 'vitest';
import { freePort } from '../../local/embedded.ts';
import { listen } from '../src/listen.ts';

it('takes new connections also while those it has keep it busy', async () => {
  let answered = 0;
  const port = await freePort();
  const listener = await listen(port, (_req, res) => {
    for (const end = performance.now() + 2; performance.now() < end;); // work
    answered++;
    res.end();
  });
  onTestFinished(() => listener.close());
  const request = 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n';
  const clientOf = async () => {
    const socket = connect(port, '127.0.0.1');
    onTestFinished(() => void socket.destroy());
    await once(socket, 'connect');
    return socket;
  };

  const busy = await Promise.all(Array.from({ length: 10 }, clientOf));
  for (const socket of busy) socket.on('data', () => socket.write(request)).write(request);
  const others = await Promise.all(Array.from({ length: 100 }, clientOf));
  const before = answered;
  await Promise.all(others.map((socket) => (socket.write(request), once(socket, 'data'))));
  // One in each turn of the event loop would be 100 turns, with 10 answers to the others in each.
  expect(answered - before - others.length).toBeLessThan(300);
});
