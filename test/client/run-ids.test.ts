import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { quickstartId, runIdOf } from '../../client/run-id.js';
import { validateInput } from '../../client/validate-input.js';
import type { TrainRewardModelInput } from '../../workflows/inputs.js';

const idOf = (input: TrainRewardModelInput): string => runIdOf(validateInput(input));
const ref = { uri: 's3://a/x', sha256: 'a'.repeat(64), bytes: 3, kind: 'pairs' as const };

describe('run ids', () => {
  it('do not depend on the order of fields, on who starts, or on where the data lies', () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.stringMatching(/^[a-z.]{1,8}$/), fc.jsonValue()),
        fc.nat(),
        (overrides, seed) => {
          const backwards = Object.fromEntries(Object.entries(overrides).reverse());
          expect(idOf({ overrides, seed, data: ref, startedBy: 'ann' })).toBe(
            idOf({ data: { ...ref, uri: 's3://b/y' }, seed, overrides: backwards, startedBy: 'bob' }),
          );
        },
      ),
    );
  });

  it('differ for any other setting', () => {
    const ids = [
      {},
      { seed: 1 },
      { seed: 2 },
      { recipe: 'scratch' },
      { gates: ['sft' as const] },
      { budget: { usd: 1 } },
      { overrides: { 'grpo.steps': 1 } },
      { oracle: { model: 'x' } },
      { data: ref },
      { data: { ...ref, sha256: 'b'.repeat(64) } },
    ].map(idOf);
    expect(new Set(ids).size).toBe(ids.length);
  });

  it('name the quickstart by its seed, and by its settings where there are any', () => {
    const id = (overrides: Record<string, unknown>): string =>
      quickstartId(validateInput({ seed: 3, overrides }));
    expect(id({})).toBe('quickstart-seed3');
    expect(id({ 'grpo.steps': 2 })).toMatch(/^quickstart-seed3-[0-9a-f]{8}$/);
    expect(id({ 'grpo.steps': 2 })).not.toBe(id({ 'grpo.steps': 3 }));
  });
});
