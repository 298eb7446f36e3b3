/** A verdict file that does not say how it was made cannot be made again; one that says it in other words is refused. */
import { describe, expect, test } from 'vitest';
import { verdictHeaderSchema, type VerdictProtocol } from '../../benchmarks/index.js';

const least: VerdictProtocol = {
  schema: 'rmr1-verdicts/1',
  benchmark: 'rmb',
  judge: { kind: 'length', label: 'longer' },
  orders: { mode: 'one', seed: 0 },
  data: { source: 'rmb/', sha256: 'ab', items: 2 },
  software: { rmr1: '0.1.0' },
  startedAt: '2026-01-01T00:00:00Z',
};
const whole: VerdictProtocol = {
  ...least,
  judge: { kind: 'openai', label: 'J', model: 'm', modelSha256: 'cd', endpoint: 'host' },
  promptVersion: 'cor-v1',
  orders: { mode: 'both', seed: 7 },
  sampling: { temperature: 0.7, topP: 1, maxTokens: 512, votes: 9, seed: 3 },
  price: { inputPerMillion: 0.15, outputPerMillion: 0.6 },
  finishedAt: '2026-01-01T01:00:00Z',
};

test.each([['least'], ['whole']])('the %s that a header says is read as it stands', (name) => {
  const protocol = name === 'least' ? least : whole;
  expect(verdictHeaderSchema.parse({ protocol })).toEqual({ protocol });
});

describe('a header is refused', () => {
  const changes: [string, object][] = [
    ['of another schema', { schema: 'rmr1-verdicts/2' }],
    ['of an unknown benchmark', { benchmark: 'mt-bench' }],
    ['with a judge without a kind', { judge: { kind: '', label: 'x' } }],
    ['with a judge without a label', { judge: { kind: 'x', label: '' } }],
    ['with a judge and its key', { judge: { kind: 'x', label: 'x', apiKey: 'secret' } }],
    ['with other orders', { orders: { mode: 'random', seed: 0 } }],
    ['without the seed of its orders', { orders: { mode: 'one' } }],
    ['with a field too many in its orders', { orders: { mode: 'one', seed: 0, x: 1 } }],
    ['with no votes', { sampling: { ...whole.sampling, votes: 0 } }],
    ['with half a vote', { sampling: { ...whole.sampling, votes: 1.5 } }],
    ['with sampling cut short', { sampling: { temperature: 0 } }],
    ['with data without its hash', { data: { source: 'x', items: 1 } }],
    ['with half an item', { data: { ...least.data, items: 0.5 } }],
    ['with a version that is no text', { software: { rmr1: 1 } }],
    ['with half a price', { price: { inputPerMillion: 1 } }],
    ['with a field nobody knows', { note: 'x' }],
  ];
  test.each(changes)('%s', (_, change) => {
    expect(verdictHeaderSchema.safeParse({ protocol: { ...whole, ...change } }).success).toBe(false);
  });

  test.each(Object.keys(least))('without %s', (field) => {
    expect(verdictHeaderSchema.safeParse({ protocol: { ...whole, [field]: undefined } }).success).toBe(false);
  });

  test('that holds more than the protocol', () => {
    expect(verdictHeaderSchema.safeParse({ protocol: least, more: 1 }).success).toBe(false);
  });
});
