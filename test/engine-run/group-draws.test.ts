import { describe, expect, it } from 'vitest';
import { EpochOrder, type Visit } from '../../engine/data/epochs.js';
import { groupAdvantages } from '../../engine/loss/advantages.js';
import { namesOf, requireFiniteLoss } from '../../engine/trainer/divergence.js';
import { drawGroups } from '../../engine/trainer/group-draws.js';
import type { Rollout } from '../../engine/trainer/rollouts.js';
import { toEngineError } from '../../engine/errors.js';
import { providerOf } from '../../engine/onnx/device.js';

const rollout = (id: string, reward: 1 | -1): Rollout => ({
  id,
  gold: 'A',
  text: '',
  reward,
  advantage: 0,
  tokens: new Int32Array(2),
  weights: new Float32Array(2),
  oldLogprobs: new Float32Array(2),
  completionTokens: 1,
});

/** Every third prompt is one that the model sometimes gets right. */
const rollOut = (seen: number[]) => (visits: readonly Visit[]) =>
  Promise.resolve(
    visits.map(({ item }) => {
      seen.push(item);
      return [rollout(`${item}`, 1), rollout(`${item}`, item % 3 === 0 ? -1 : 1)];
    }),
  );

describe('dynamic sampling', () => {
  const order = new EpochOrder(90, 4);
  const job = { objective: 'dapo' as const, promptsPerStep: 6, maxDraws: 5 };

  it('fills the step with groups that disagree and stops as soon as it is full', async () => {
    const seen: number[] = [];
    const { groups, all } = await drawGroups(job, order, 3, rollOut(seen));
    expect(groups).toHaveLength(6);
    for (const [first] of groups) expect(Number(first!.id) % 3).toBe(0);
    expect(all).toHaveLength(seen.length);
    expect(seen.length % 6).toBe(0);
    const before = all.slice(0, -6).filter(([, second]) => second!.reward === -1);
    expect(before.length, 'without the last round the step was not full').toBeLessThan(6);
  });

  it('gives up after the rounds it may take, and draws the same again', async () => {
    const twice = await Promise.all(
      [1, 2].map(async () => {
        const seen: number[] = [];
        const { groups } = await drawGroups({ ...job, maxDraws: 1 }, order, 2, rollOut(seen));
        return { seen, groups: groups.length };
      }),
    );
    expect(twice[0]).toEqual(twice[1]);
    expect(twice[0]!.seen).toHaveLength(6);
    expect(twice[0]!.groups).toBeLessThan(6);
  });

  it('never rolls a prompt out twice in an epoch', async () => {
    const seen: number[] = [];
    for (const step of [1, 2, 3]) await drawGroups(job, order, step, rollOut(seen));
    expect(new Set(seen).size).toBe(seen.length);
  });

  it('is for dapo only', async () => {
    const { groups } = await drawGroups({ promptsPerStep: 6 }, order, 1, rollOut([]));
    expect(groups).toHaveLength(6);
  });
});

it('Dr. GRPO leaves the spread of the rewards out: A = r − mean', () => {
  expect(groupAdvantages([1, 1, -1, -1], false)).toEqual([1, 1, -1, -1]);
  const [right, wrong] = [groupAdvantages([1, -1, -1, -1], false), groupAdvantages([1, -1, -1, -1])];
  expect(right).toEqual([1.5, -0.5, -0.5, -0.5]);
  expect(wrong[0]! / wrong[1]!).toBeCloseTo(-3, 9);
});

describe('a loss that is no number', () => {
  const rows = {
    rows: 1,
    length: 9,
    placements: [3, 1, 2, 1, 0, 4, 5, 6].map((sequence) => ({ sequence, row: 0, offset: 0 })),
  };

  it('names the samples of its micro-batch, once each and not all of many', () => {
    const names = () => namesOf(rows, (sequence) => `s${sequence}`);
    expect(() => requireFiniteLoss(1.5, names)).not.toThrow();
    for (const loss of [NaN, Infinity, -Infinity])
      expect(() => requireFiniteLoss(loss, names)).toThrow(
        /loss is -?(NaN|Infinity) in the micro-batch of s0, s1, s2, s3, s4 and 2 more/,
      );
  });
});

it('memory that ran out is the fault of the job, with what to set', () => {
  for (const message of [
    'Non-zero status code returned: Failed to allocate memory for requested buffer of size 9663676416',
    'std::bad_alloc',
    'Array buffer allocation failed',
  ])
    expect(toEngineError(new Error(message))).toMatchObject({
      type: 'EngineBadJob',
      message: expect.stringMatching(/memory ran out: set recompute, lower microBatchTokens/) as string,
    });
  expect(toEngineError(new Error('something else')).type).toBe('EngineFailed');
});

it('CUDA without its libraries is one clear error; auto falls back to the CPU', async () => {
  expect(await providerOf(undefined)).toBe('cpu');
  const automatic = await providerOf('auto');
  if (automatic === 'cpu')
    await expect(providerOf('cuda')).rejects.toThrow(/device: cuda was asked for, but .*set device to cpu/);
  else expect(await providerOf('cuda')).toBe('cuda');
});
