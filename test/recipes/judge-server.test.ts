/** Which recipes have a judge's server, of which size, and what is refused before anything is spent. */
import { describe, expect, test } from 'vitest';
import { trainingText } from '../../client/commands/training-estimate.js';
import { judgeServerOf } from '../../recipes/judge-server.js';
import { loadRecipe } from '../../recipes/load.js';
import { checkFit } from '../../recipes/sizing/check-fit.js';

const SMALL = { engine: 'ray', 'grpo.objective': 'grpo' };
const large = (overrides: Record<string, unknown> = {}) =>
  loadRecipe('rm-r1-qwen2.5-32b-instruct', overrides);

describe('a judge has a server', () => {
  test('where its stages train on GPUs of a cluster, as large as their rollout engine', () => {
    expect(judgeServerOf(large())).toEqual({ gpus: 4, maxModelLen: 12_288 });
    expect(judgeServerOf(large({ 'ray.judgeServer': { gpus: 8, maxModelLen: 10_000 } }))).toEqual({
      gpus: 8,
      maxModelLen: 10_000,
    });
  });

  test('on CPUs where the recipe says so, and nowhere else', () => {
    const on = (overrides: object) => judgeServerOf(loadRecipe('quickstart', { ...SMALL, ...overrides }));
    expect(on({ 'ray.judgeServer': {} })).toMatchObject({ gpus: 0 });
    expect(on({})).toBeUndefined();
    expect(on({ engine: 'embedded' })).toBeUndefined();
  });
});

describe('refused', () => {
  test.each([
    [{ 'ray.judgeServer': { gpus: 16 } }, /ray\.judgeServer\.gpus.*more than the GPUs of a node/],
    [{ 'ray.judgeServer': { maxModelLen: 8192 } }, /ray\.judgeServer\.maxModelLen.*evaluate\.maxNewTokens/],
    [{ 'ray.judgeServer': { tensorParallel: 2 } }, /tensorParallel/],
  ])('by its field: %j', (overrides, said) => {
    expect(() => large(overrides)).toThrow(said);
  });

  test.each([
    [{ gpus: 3 }, /ray\.judgeServer\.gpus: 40 heads and 8 key-value heads.*possible: 1, 2, 4, 8/],
    [{ gpus: 0 }, /ray\.judgeServer\.gpus: .*not served from CPUs/],
    [{ gpus: 1, maxModelLen: 32_000 }, /ray\.judgeServer\.gpus: .* of 32000 tokens take 7\d GB of the 72 GB/],
  ])('what cannot fit: %j', (judgeServer, said) => {
    expect(() => checkFit(large({ 'ray.judgeServer': judgeServer }))).toThrow(said);
    expect(() => checkFit(large({ 'ray.judgeServer': { gpus: 2 } }))).not.toThrow();
  });
});

test('an estimate names the GPUs that judging takes beside training', () => {
  expect(trainingText(large())).toMatch(
    /Judging: vLLM on 4 GPUs of one node, up to 12,288 tokens, for base, sft, grpo one after the other; not in the sum/,
  );
  const student = { 'distill.studentSamples': 2, 'ray.judgeServer': { gpus: 1 } };
  expect(trainingText(large(student))).toMatch(/vLLM on 1 GPU of.*, and for the student's samples/);
});
