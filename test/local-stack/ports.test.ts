import { expect, it } from 'vitest';
import { freePortPair } from '../../infra/local/ports.js';

const OFFSET = 10_000;

it('no pair shares a port with a pair that is taken, whichever half it is', async () => {
  const taken = new Set(Array.from({ length: 2_000 }, (_, i) => 2_000 + i * 5));
  for (let i = 0; i < 300; i++) {
    const port = await freePortPair(undefined, taken);
    const halves = new Set([...taken, ...[...taken].map((one) => one + OFFSET)]);
    expect(halves.has(port), `${port}`).toBe(false);
    expect(halves.has(port + OFFSET), `${port + OFFSET}`).toBe(false);
    taken.add(port);
  }
});

it('a port that is preferred is not taken when it is the upper half of another pair', async () => {
  expect(await freePortPair(18_333, new Set([8_333]))).not.toBe(18_333);
});
