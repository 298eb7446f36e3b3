/** A proxy that only claims to break the network would let every network row pass. */
import { connect, createServer, type Server, type Socket } from 'node:net';
import { once } from 'node:events';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { FaultProxy } from '../support/fault-proxy.js';

let echo: Server;
let proxy: FaultProxy;
const open: Socket[] = [];
beforeEach(async () => {
  echo = createServer((socket) => {
    open.push(socket);
    socket.on('error', () => undefined).pipe(socket);
  }).listen(0, '127.0.0.1');
  await once(echo, 'listening');
  proxy = await FaultProxy.before('127.0.0.1', (echo.address() as { port: number }).port);
});
afterEach(async () => {
  for (const socket of open.splice(0)) socket.destroy();
  await proxy.close();
  echo.close();
});

function dial(): Socket {
  const [host, port] = proxy.address.split(':') as [string, string];
  const socket = connect(Number(port), host);
  open.push(socket);
  return socket;
}

async function answer(socket: Socket, word: string): Promise<string> {
  socket.write(word);
  const [chunk] = (await once(socket, 'data')) as [Buffer];
  return chunk.toString();
}

/** How the connection ended: the error's code, or `closed`. */
const ending = (socket: Socket) =>
  new Promise<string>((resolve) => {
    let code = 'closed';
    socket.on('error', (error: NodeJS.ErrnoException) => (code = error.code ?? 'error'));
    socket.on('close', () => resolve(code));
    socket.resume();
  });

test('healthy and with latency, words come through in order', async () => {
  const socket = dial();
  expect(await answer(socket, 'one')).toBe('one');
  proxy.poison('latency');
  let heard = '';
  const both = new Promise<void>((resolve) => {
    socket.on('data', (chunk: Buffer) => {
      heard += chunk.toString();
      if (heard === 'twothree') resolve();
    });
  });
  socket.write('two');
  socket.write('three');
  await both;
});

test('a reset breaks what is open; the next connection works', async () => {
  const socket = dial();
  await answer(socket, 'one');
  const end = ending(socket);
  proxy.poison('reset');
  expect(await end).toBe('ECONNRESET');
  expect(await answer(dial(), 'two')).toBe('two');
});

test('a cut turns new connections away until it is healed', async () => {
  const socket = dial();
  await answer(socket, 'one');
  const end = ending(socket);
  proxy.poison('cut');
  await end;
  await ending(dial());
  proxy.heal();
  expect(await answer(dial(), 'two')).toBe('two');
});

test('half-open, a connection stays and says nothing; healed, it is gone and a new one works', async () => {
  const socket = dial();
  await answer(socket, 'one');
  proxy.poison('half-open');
  let heard = false;
  socket.on('data', () => (heard = true));
  const end = ending(socket);
  socket.write('two');
  // Another connection's healthy round trip on the echo itself: time enough for an answer, had one come.
  const direct = connect((echo.address() as { port: number }).port, '127.0.0.1');
  open.push(direct);
  await answer(direct, 'ping');
  expect([heard, socket.destroyed]).toEqual([false, false]);
  proxy.heal();
  await end;
  expect(await answer(dial(), 'three')).toBe('three');
});
