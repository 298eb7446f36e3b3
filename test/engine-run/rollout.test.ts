import { afterAll, describe, expect, it } from 'vitest';
import { hashId, samplingUniforms } from '../../engine/data/random.js';
import { initializeParameters } from '../../engine/model/initialize.js';
import { parameterLayout } from '../../engine/model/parameters.js';
import { TrainingRuntime } from '../../engine/model/runtime.js';
import { planMicroBatches, tokenBatch } from '../../engine/trainer/batches.js';
import { Decoder, type Completion, type GenerationSettings } from '../../engine/rollout/decoder.js';
import { rowsInMemory } from '../../engine/rollout/rows.js';
import { referenceLogits, referenceLogp } from './support/reference-llama.js';

const layout = parameterLayout({
  hiddenSize: 32,
  layers: 2,
  heads: 4,
  kvHeads: 2,
  intermediateSize: 48,
  maxLength: 160,
  ropeTheta: 10_000,
  normEpsilon: 1e-5,
  tieEmbeddings: false,
  vocabSize: 50,
});
/** Wide enough that onnxruntime would share out products differently by batch and threads. */
const wide = parameterLayout({ ...layout.config, hiddenSize: 96, intermediateSize: 256, vocabSize: 300 });
const wideParameters = initializeParameters(wide, 6).map((v, i) => (i < wide.decaySize ? v * 8 : v));
/** Wide weights, so that the distributions are far from uniform. */
const parameters = initializeParameters(layout, 5).map((v, i) => (i < layout.decaySize ? v * 12 : v));
const decoder = new Decoder({ layout }, 2);
afterAll(() => decoder.release());

const prompt = (length: number, id: string) => ({
  tokens: Array.from({ length }, (_, i) => (i * 7 + length * 3 + hashId(id)) % 49),
  key: hashId(id),
});
const settings: GenerationSettings = {
  samples: 1,
  temperature: 1,
  maxNewTokens: 40,
  batchSize: 64,
  seed: 3,
  step: 0,
  stops: [49],
};
const plain = (completions: readonly Completion[]) =>
  completions.map(({ tokens, logps, finished }) => ({ tokens: [...tokens], logps: [...logps], finished }));

describe('generation', () => {
  const prompts = [1, 2, 9, 31, 32, 33, 34, 40, 64, 65, 66, 20, 21].map((n, i) => prompt(n, `item ${i}`));

  it('gives log-probabilities of the forward pass, past prompt buckets and chunks', async () => {
    for (const temperature of [1, 0.7]) {
      const completions = await decoder.generate({ parameters }, prompts, { ...settings, temperature });
      expect(completions.some((c) => c.tokens.length > 33)).toBe(true);
      for (const completion of completions) {
        const before = prompts[completion.prompt]!.tokens;
        const logits = referenceLogits(layout, parameters, [...before, ...completion.tokens]);
        completion.tokens.forEach((token, i) => {
          const expected = referenceLogp(logits[before.length + i - 1]!, token, temperature);
          expect(Math.abs(completion.logps[i]! - expected)).toBeLessThan(
            3e-6 * Math.max(1, Math.abs(expected)),
          );
        });
      }
    }
  });

  it('gives the log-probabilities of the training graph, also where sequences share rows', async () => {
    const temperature = 0.8;
    const completions = await decoder.generate({ parameters }, prompts, {
      ...settings,
      samples: 2,
      temperature,
    });
    const sequences = completions.map((c) => Int32Array.from([...prompts[c.prompt]!.tokens, ...c.tokens]));
    const runtime = await TrainingRuntime.create(layout, parameters, { threads: 2 });
    let compared = 0;
    for (const plan of planMicroBatches(
      sequences.map(({ length }) => length),
      { config: layout.config },
    )) {
      const logprobs = await runtime.logprobs(tokenBatch(plan, sequences, 0), { temperature });
      for (const { sequence, row, offset } of plan.placements) {
        const { prompt, logps } = completions[sequence]!;
        const start = row * plan.length + offset + prompts[prompt]!.tokens.length;
        logps.forEach((logp, i) => {
          expect(Math.abs(logp - logprobs[start + i]!)).toBeLessThan(3e-6 * Math.max(1, Math.abs(logp)));
          compared++;
        });
      }
    }
    expect(compared).toBe(completions.reduce((sum, { tokens }) => sum + tokens.length, 0));
    await runtime.release();
  });

  it('takes the most likely token when greedy', async () => {
    const completions = await decoder.generate({ parameters }, prompts, { ...settings, temperature: 0 });
    for (const completion of completions) {
      const before = prompts[completion.prompt]!.tokens;
      const logits = referenceLogits(layout, parameters, [...before, ...completion.tokens]);
      completion.tokens.forEach((token, i) => {
        const row = logits[before.length + i - 1]!;
        expect(row[token]).toBeGreaterThan(Math.max(...row) - 1e-4);
      });
    }
  });

  it('draws by inverse CDF from the uniforms of (seed, step, prompt, sample, position)', async () => {
    const [completion] = await decoder.generate({ parameters }, [prompts[2]!], {
      ...settings,
      samples: 1,
      step: 9,
    });
    const before = prompts[2]!.tokens;
    const logits = referenceLogits(layout, parameters, [...before, ...completion!.tokens]);
    const uniforms = new Float32Array(completion!.tokens.length);
    samplingUniforms({ seed: 3, step: 9, prompt: prompts[2]!.key, sample: 0 }, 0, uniforms);
    completion!.tokens.forEach((token, i) => {
      const row = logits[before.length + i - 1]!;
      const upTo = (end: number) =>
        Array.from({ length: end }, (_, t) => Math.exp(referenceLogp(row, t))).reduce((a, b) => a + b, 0);
      expect(upTo(token) - 1e-5).toBeLessThanOrEqual(uniforms[i]!);
      expect(upTo(token + 1) + 1e-5).toBeGreaterThan(uniforms[i]!);
    });
  });

  it.each([false, true])(
    'is the same to the bit whatever the batch size, the order of the prompts and the threads (packed weights: %s)',
    async (packed) => {
      const many = Array.from({ length: 12 }, (_, i) => prompt(1 + ((i * 11) % 70), `p${i}`));
      const run = async (threads: number, order: readonly (typeof many)[number][], batchSize: number) => {
        const own = new Decoder({ layout: wide }, threads);
        const completions = await own.generate({ parameters: wideParameters }, order, {
          ...settings,
          samples: 3,
          maxNewTokens: 24,
          batchSize,
          packed,
        });
        await own.release();
        return plain(completions);
      };
      const expected = await run(1, many, 64);
      for (const batchSize of [1, 7, 64]) expect(await run(2, many, batchSize)).toEqual(expected);
      expect(await run(3, many, 16)).toEqual(expected);
      const reversed = await run(2, [...many].reverse(), 64);
      for (let i = 0; i < many.length; i++)
        expect(reversed.slice(3 * (many.length - 1 - i), 3 * (many.length - i))).toEqual(
          expected.slice(3 * i, 3 * i + 3),
        );
    },
  );

  it('is the same to the bit where rows join a batch that others have left, far from their neighbours in length', async () => {
    const stops = [296, 297, 298, 299];
    const many = Array.from({ length: 14 }, (_, i) => prompt(1 + ((i * 11) % 70), `late ${i}`));
    const run = async (batchSize: number, refill = true, packed = false) => {
      const own = new Decoder({ layout: wide }, 2);
      // Not a multiple of what one run generates: some rows end in the middle of it while others go on.
      const cut = { ...settings, stops, samples: 3, maxNewTokens: 70, batchSize, refill, packed };
      const completions = await own.generate({ parameters: wideParameters }, many, cut);
      await own.release();
      return plain(completions);
    };
    const together = await run(64);
    const lengths = together.map((completion) => completion.tokens.length);
    expect(Math.min(...lengths)).toBeLessThan(20);
    expect(Math.max(...lengths)).toBe(70);
    expect(await run(8)).toEqual(together);
    expect(await run(13)).toEqual(together);
    expect(await run(13, false)).toEqual(together);
    expect(await run(8, true, true)).toEqual(await run(64, true, true));
  });

  it('decodes no more rows together than half a gigabyte of keys and values allows, and always one', () => {
    const smollm2 = { ...layout.config, layers: 30, heads: 9, kvHeads: 3, hiddenSize: 576 };
    // 2 · 4 bytes · 30 layers · 3 heads · 64 dimensions = 45 KiB a token
    expect(rowsInMemory(smollm2, 512)).toBe(22);
    expect(rowsInMemory(smollm2, 8_192)).toBe(1);
    expect(rowsInMemory(smollm2, 1_000_000)).toBe(1);
  });

  it('ends a completion at the first stop token and marks those that were cut', async () => {
    const completions = await decoder.generate({ parameters }, prompts, {
      ...settings,
      samples: 8,
      stops: [49, 3],
    });
    expect(completions.some((c) => c.finished) && completions.some((c) => !c.finished)).toBe(true);
    for (const { tokens, logps, finished } of completions) {
      const end = [...tokens].findIndex((token) => token === 49 || token === 3);
      expect(tokens.length).toBe(finished ? end + 1 : settings.maxNewTokens);
      expect(finished).toBe(end >= 0);
      expect(logps.length).toBe(tokens.length);
    }
  });

  it('samples the distribution itself: frequencies of the first token', async () => {
    const samples = 4000;
    const one = prompts[3]!;
    const completions = await decoder.generate({ parameters }, [one], {
      ...settings,
      samples,
      maxNewTokens: 1,
      batchSize: 500,
    });
    const counts = new Map<number, number>();
    for (const { tokens } of completions) counts.set(tokens[0]!, (counts.get(tokens[0]!) ?? 0) + 1);
    const row = referenceLogits(layout, parameters, one.tokens).at(-1)!;
    let chiSquare = 0;
    row.forEach((_, token) => {
      const expected = samples * Math.exp(referenceLogp(row, token));
      if (expected > 5) chiSquare += ((counts.get(token) ?? 0) - expected) ** 2 / expected;
    });
    // 49 degrees of freedom at most; 95 is beyond the 99.99th percentile.
    expect(chiSquare).toBeLessThan(95);
  });

  it('refuses prompts that do not fit', async () => {
    await expect(decoder.generate({ parameters }, [prompt(130, 'x')], settings)).rejects.toThrow(
      /maxLength 160/,
    );
  });
});
