/** An estimate that is wrong by a factor costs a night on 32 GPUs: formulas against figures worked out by hand, and laws. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { trainingText } from '../../client/commands/training-estimate.js';
import { loadRecipe, recipeNames } from '../../recipes/load.js';
import type { Cluster } from '../../recipes/sizing/accelerator.js';
import { checkFit } from '../../recipes/sizing/check-fit.js';
import {
  adapterParameters,
  cacheBytesPerToken,
  knownShape,
  layerParameters,
  parameterCount,
} from '../../recipes/sizing/decoder-shape.js';
import { estimateTraining } from '../../recipes/sizing/estimate-training.js';
import { reinforcementMemory, stateBytes, supervisedMemory } from '../../recipes/sizing/memory.js';
import { decodingSeconds, forwardFlops, trainingFlops } from '../../recipes/sizing/time.js';

const seven = knownShape('Qwen/Qwen2.5-7B-Instruct')!;
const node: Cluster = {
  nodes: 1,
  gpusPerNode: 8,
  samplesPerDevice: 1,
  tensorParallel: 1,
  gpuMemoryForRollouts: 0.5,
};
const SIZES = [7, 14, 32] as const;

describe('by hand', () => {
  it('parameters are those of the published weights, which have two bytes each', () => {
    expect(layerParameters(seven)).toBe(233_057_792);
    const bytes = SIZES.map((size) => 2 * parameterCount(knownShape(`Qwen/Qwen2.5-${size}B-Instruct`)!));
    expect(bytes).toEqual([15_231_233_024, 29_540_067_328, 65_527_752_704]);
    expect(parameterCount(knownShape('deepseek-ai/DeepSeek-R1-Distill-Qwen-32B')!)).toBe(32_763_876_352);
  });

  it('a token of 7B costs 6·N operations without recomputation, 8·N with it, and 56 KiB of cache', () => {
    // 7,615,616,512 without the 152,064 × 3,584 of the embedding.
    expect(forwardFlops(seven, 1, 0)).toBe(2 * 7_070_619_136);
    expect(trainingFlops(seven, 1, 0)).toBe(8 * 7_070_619_136);
    // Attention over 1,000 tokens: 4 · 28 layers · 28 heads · 128 · 1,000.
    expect(forwardFlops(seven, 1, 1000) - forwardFlops(seven, 1, 0)).toBe(401_408_000);
    expect(cacheBytesPerToken(seven)).toBe(57_344);
  });

  it('SFT of 7B at 12,288 tokens takes 39.1 GB on each of eight GPUs', () => {
    const state = 16 * 951_952_064;
    const checkpoints = 2 * 12_288 * 3584 * 28;
    const layer = 34 * 12_288 * 3584;
    const gathered = 4 * 233_057_792;
    const logits = 8 * 12_288 * 152_064;
    expect(supervisedMemory({ model: seven, cluster: node, length: 12_288 }).bytes).toBe(
      4e9 + state + checkpoints + layer + gathered + logits,
    );
  });

  it('GRPO of 7B keeps policy, optimiser and reference beside half of the memory for rollouts', () => {
    const memory = reinforcementMemory({ model: seven, cluster: node, length: 12_288 });
    expect(memory.rollouts).toBe(4e9 + (16 + 4) * 951_952_064 + 40e9);
    // (40 GB − 15.2 GB of weights) / (12,288 · 57,344 bytes).
    expect(memory.sequencesAtOnce).toBe(35);
  });

  it('decoding one sequence reads the weights once a token, at half of 3.35 TB/s', () => {
    const seconds = decodingSeconds(seven, node, { tokens: 1000, sequences: 1, length: 0 });
    expect(seconds).toBeCloseTo((1000 * 15_231_233_024) / 1.675e12, 9);
  });

  it('adapters of rank 16 on queries and values of 7B', () => {
    const lora = { rank: 16, targets: ['q_proj', 'v_proj'] };
    expect(adapterParameters(seven, lora)).toBe(28 * 16 * (3584 + 3584 + 3584 + 512));
    expect(stateBytes({ model: seven, cluster: node, lora })).toBe((2 * 7_615_616_512 + 16 * 5_046_272) / 8);
  });
});

describe('whatever the setting', () => {
  const model = fc.constantFrom(...SIZES).map((size) => knownShape(`Qwen/Qwen2.5-${size}B-Instruct`)!);
  const length = fc.integer({ min: 512, max: 32_768 });
  const cluster = fc
    .record({ nodes: fc.integer({ min: 1, max: 8 }), tensorParallel: fc.constantFrom(1, 2, 4) })
    .map((some): Cluster => ({ ...node, ...some }));

  it('more nodes never need more memory a GPU, longer texts never less, adapters never more', () => {
    fc.assert(
      fc.property(model, length, cluster, (shape, tokens, some) => {
        for (const memoryOf of [supervisedMemory, reinforcementMemory]) {
          const of = (change: object) =>
            memoryOf({ model: shape, cluster: some, length: tokens, ...change }).bytes;
          const bytes = of({});
          expect(of({ cluster: { ...some, nodes: some.nodes + 1 } })).toBeLessThanOrEqual(bytes);
          expect(of({ length: tokens + 1 })).toBeGreaterThanOrEqual(bytes);
          expect(of({ lora: { rank: 64, targets: ['q_proj', 'down_proj'] } })).toBeLessThanOrEqual(bytes);
        }
      }),
    );
  });

  it('work is proportional to steps, and no expectation exceeds its limit', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...SIZES),
        fc.integer({ min: 1, max: 40 }),
        fc.record({ prompt: fc.integer({ min: 1, max: 9000 }), response: fc.integer({ min: 1, max: 9000 }) }),
        (size, steps, lengths) => {
          const name = `rm-r1-deepseek-distilled-${size}b`;
          const one = estimateTraining(loadRecipe(name, { 'grpo.steps': 1 }), { lengths })!;
          const many = estimateTraining(loadRecipe(name, { 'grpo.steps': steps }), { lengths })!;
          expect(many.gpuHours / one.gpuHours).toBeCloseTo(steps, 6);
          expect(one.gpuHours).toBeLessThanOrEqual(one.atMostGpuHours * (1 + 1e-9));
        },
      ),
      { numRuns: 12 },
    );
  });

  it('more sequences at once never make decoding slower', () => {
    fc.assert(
      fc.property(
        model,
        fc.integer({ min: 1, max: 255 }),
        fc.integer({ min: 1, max: 12_288 }),
        (shape, n, held) => {
          const at = (sequences: number) =>
            decodingSeconds(shape, node, { tokens: 1e6, sequences, length: held });
          expect(at(n + 1)).toBeLessThanOrEqual(at(n) * (1 + 1e-9));
        },
      ),
    );
  });
});

describe('what cannot fit', () => {
  const large = 'rm-r1-qwen2.5-32b-instruct';

  it('none of the recipes of the project', () => {
    for (const name of recipeNames()) expect(() => checkFit(loadRecipe(name))).not.toThrow();
  });

  it.each([
    [{ 'ray.nodes': 1 }, /ray\.nodes: sft needs 97 GB of 80 GB on each of 1 × 8 GPUs; 2 nodes would do/],
    [{ 'ray.gpusPerNode': 0 }, /ray\.gpusPerNode: 32\.8 billion parameters are not trained on CPUs/],
    [{ 'ray.tensorParallel': 3 }, /ray\.tensorParallel: .* 3 ways; possible: 1, 2, 4, 8/],
    [{ 'ray.tensorParallel': 1 }, /ray\.tensorParallel: the weights and one sequence take 69 GB/],
    [{ 'ray.gpuMemoryForRollouts': 0.95 }, /ray\.gpuMemoryForRollouts: grpo needs 100 GB .* lower it/],
    [{ 'sft.batchSize': 100 }, /sft\.batchSize: .* multiple of 32/],
    [{ 'grpo.promptsPerStep': 1000 }, /grpo\.promptsPerStep: .* multiple of 256/],
    [{ 'grpo.maxNewTokens': 12_288 }, /grpo\.maxNewTokens: 12288 leave no room for a prompt/],
    [{ 'base.architecture.maxLength': 40_000 }, /maxLength: 40000 is beyond the 32768 positions/],
  ])('%o is refused with the field and the fix', (overrides, said) => {
    expect(() => checkFit(loadRecipe(large, overrides))).toThrow(said);
  });

  it('names every problem at once', () => {
    const recipe = loadRecipe(large, { 'ray.tensorParallel': 3, 'sft.batchSize': 100 });
    expect(() => checkFit(recipe)).toThrow(/sft\.batchSize.*; ray\.tensorParallel/);
  });

  it('the nodes it advises do fit', () => {
    let advised = 0;
    for (const size of SIZES) {
      for (const gpusPerNode of [1, 2, 4, 8]) {
        const settings = { 'ray.gpusPerNode': gpusPerNode, 'ray.tensorParallel': 1, 'ray.nodes': 1 };
        const recipe = (more = {}) =>
          loadRecipe(`rm-r1-qwen2.5-${size}b-instruct`, {
            ...settings,
            'ray.gpuMemoryForRollouts': 0.6,
            ...more,
          });
        const nodes = advice(recipe());
        if (nodes === undefined) continue;
        advised += 1;
        expect(advice(recipe({ 'ray.nodes': nodes }))).toBeUndefined();
      }
    }
    expect(advised).toBeGreaterThan(3);
  });

  /** The most nodes that a refusal asks for. */
  function advice(recipe: Parameters<typeof checkFit>[0]): number | undefined {
    try {
      checkFit(recipe);
      return undefined;
    } catch (error) {
      const counts = [...(error as Error).message.matchAll(/(\d+) nodes would do/g)].map(([, count]) =>
        Number(count),
      );
      return counts.length > 0 ? Math.max(...counts) : undefined;
    }
  }

  it('models of unknown size are not judged, and are said not to be', () => {
    const recipe = loadRecipe(large, { 'base.pretrained.hub': 'someone/else' });
    expect(() => checkFit(recipe)).not.toThrow();
    expect(trainingText(recipe)).toMatch(/not known before it is fetched/);
  });
});

describe('shown to people', () => {
  it('tokens, GPU hours and memory of each stage, and what was assumed', () => {
    expect(trainingText(loadRecipe('rm-r1-qwen2.5-7b-instruct'))).toMatch(
      /7\.6 billion.*1 × 8 H100.*sft +68 steps.*GPU hours.*39 GB of 80 GB.*grpo +61 steps.*349\.8M written.*63 GB of 80 GB.*No figure was measured/s,
    );
    expect(trainingText(loadRecipe('rm-r1-deepseek-distilled-7b'))).not.toMatch(/sft/);
    expect(trainingText(loadRecipe('quickstart'))).toBeUndefined();
  });

  it('prompts are counted where the data is at hand', () => {
    const pair = { id: 'p', conversation: [{ role: 'user' as const, content: 'x'.repeat(80_000) }] };
    const data = [{ ...pair, chosen: 'a', rejected: 'b', category: 'chat' }];
    expect(trainingText(loadRecipe('rm-r1-deepseek-distilled-7b'), data)).toMatch(
      /prompts of 2\d,\d{3} \(as in the data\)/,
    );
  });
});
