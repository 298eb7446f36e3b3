import fc from 'fast-check';
import { afterAll, expect, it } from 'vitest';
import { initializeParameters } from '../../engine/model/initialize.js';
import { parameterLayout } from '../../engine/model/parameters.js';
import { Decoder, type GenerationSettings } from '../../engine/rollout/decoder.js';
import { referenceLogits, referenceLogp } from './support/reference-llama.js';

const layout = parameterLayout({
  hiddenSize: 32,
  layers: 2,
  heads: 4,
  kvHeads: 2,
  intermediateSize: 48,
  maxLength: 96,
  ropeTheta: 10_000,
  normEpsilon: 1e-5,
  tieEmbeddings: false,
  vocabSize: 50,
});
const parameters = initializeParameters(layout, 5).map((v, i) => (i < layout.decaySize ? v * 12 : v));
const decoder = new Decoder({ layout }, 2);
afterAll(() => decoder.release());

const prompts = Array.from({ length: 6 }, (_, i) => ({
  tokens: Array.from({ length: 3 + 7 * i }, (_, t) => (t * 7 + i * 3) % 49),
  key: i,
}));
const settings: GenerationSettings = {
  samples: 3,
  temperature: 1,
  topP: 0.6,
  maxNewTokens: 12,
  batchSize: 64,
  seed: 3,
  step: 0,
  stops: [49],
};

it('draws from the nucleus only, and scores under the whole distribution', async () => {
  const completions = await decoder.generate({ parameters }, prompts, settings);
  let outside = 0;
  for (const { prompt, tokens, logps } of completions) {
    const before = prompts[prompt]!.tokens;
    const logits = referenceLogits(layout, parameters, [...before, ...tokens]);
    tokens.forEach((token, i) => {
      const row = logits[before.length + i - 1]!;
      const own = referenceLogp(row, token);
      expect(Math.abs(logps[i]! - own)).toBeLessThan(3e-6 * Math.max(1, Math.abs(own)));
      const likelier = Array.from(row, (_, t) => referenceLogp(row, t)).filter((logp) => logp > own);
      expect(likelier.reduce((sum, logp) => sum + Math.exp(logp), 0)).toBeLessThan(0.6 + 1e-5);
      outside += Array.from(row).length - likelier.length - 1;
    });
  }
  expect(outside, 'the nucleus must leave tokens out').toBeGreaterThan(0);
});

it('is greedy for a nucleus of one token', async () => {
  const one = await decoder.generate({ parameters }, prompts, { ...settings, samples: 1, topP: 1e-6 });
  const greedy = await decoder.generate({ parameters }, prompts, { ...settings, samples: 1, temperature: 0 });
  expect(one.map(({ tokens }) => [...tokens])).toEqual(greedy.map(({ tokens }) => [...tokens]));
});

it('gives the same tokens and scores whatever the batch size', async () => {
  const run = async (batchSize: number, topP: number) =>
    (await decoder.generate({ parameters }, prompts, { ...settings, batchSize, topP })).map(
      ({ tokens, logps, finished }) => ({ tokens: [...tokens], logps: [...logps], finished }),
    );
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 20 }),
      fc.constantFrom(0.3, 0.6, 0.95, 1),
      async (batchSize, topP) => {
        expect(await run(batchSize, topP)).toEqual(await run(64, topP));
      },
    ),
    { numRuns: 6, seed: 2 },
  );
});
