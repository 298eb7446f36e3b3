/** One GRPO step's rollouts: completions of every prompt, rewarded and compared within their group. */
import { correctnessReward } from '../../judge/reward.js';
import type { EncodedGrpoPrompt } from '../data/prompts.js';
import { hashId } from '../data/random.js';
import { groupAdvantages } from '../loss/advantages.js';
import type { LoadedModel } from '../checkpoint/model-directory.js';
import type { GrpoJob } from '../job.js';
import type { Decoder, DecoderWeights, GenerationSettings } from '../rollout/decoder.js';
import type { TextTokenizer } from '../tokenizer/tokenizer.js';

/** Rows decoded together where there is memory for them. */
const MOST_ROWS = 128;

/** A prompt and one completion of it. */
export interface Rollout {
  id: string;
  gold: 'A' | 'B';
  /** Decoded completion, special tokens left out. */
  text: string;
  reward: 1 | -1;
  advantage: number;
  /** Prompt and completion. */
  tokens: Int32Array;
  /** 1 on completion tokens, end-of-text included. */
  weights: Float32Array;
  /** Log-probabilities at rollout time on completion tokens, 0 elsewhere. */
  oldLogprobs: Float32Array;
  completionTokens: number;
}

/** A prompt drawn in some epoch; a prompt that comes twice in a step draws differently. */
export interface DrawnPrompt {
  prompt: EncodedGrpoPrompt;
  epoch: number;
}

/** How rollouts are drawn and compared. */
export type RolloutSettings = GenerationSettings & { divideAdvantages?: boolean };

/** Those of step `step` of a job. */
export function rolloutSettings(job: GrpoJob, { tokenizer }: LoadedModel, step: number): RolloutSettings {
  return {
    samples: job.groupSize,
    temperature: job.temperature,
    ...(job.topP === undefined ? {} : { topP: job.topP }),
    divideAdvantages: job.objective !== 'dr-grpo',
    maxNewTokens: job.maxNewTokens,
    batchSize: MOST_ROWS,
    seed: job.seed,
    step,
    stops: [tokenizer.endOfText],
  };
}

/** @returns one group of `settings.samples` rollouts for each prompt, in order */
export async function rollOut(
  decoder: Decoder,
  tokenizer: TextTokenizer,
  weights: DecoderWeights,
  drawn: readonly DrawnPrompt[],
  settings: RolloutSettings,
): Promise<Rollout[][]> {
  const completions = await decoder.generate(
    weights,
    drawn.map(({ prompt, epoch }) => ({ tokens: prompt.tokens, key: hashId(`${epoch}/${prompt.id}`) })),
    settings,
  );
  return drawn.map(({ prompt }, index) => {
    const group = completions.slice(index * settings.samples, (index + 1) * settings.samples);
    const texts = group.map((completion) => tokenizer.decode(completion.tokens));
    const rewards = texts.map((text) => correctnessReward(text, prompt.gold));
    const advantages = groupAdvantages(rewards, settings.divideAdvantages);
    const start = prompt.tokens.length;
    return group.map(({ tokens, logps }, sample) => {
      const length = start + tokens.length;
      const sequence = new Int32Array(length);
      sequence.set(prompt.tokens);
      sequence.set(tokens, start);
      const oldLogprobs = new Float32Array(length);
      oldLogprobs.set(logps, start);
      return {
        id: prompt.id,
        gold: prompt.gold,
        text: texts[sample]!,
        reward: rewards[sample]!,
        advantage: advantages[sample]!,
        tokens: sequence,
        weights: new Float32Array(length).fill(1, start),
        oldLogprobs,
        completionTokens: tokens.length,
      };
    });
  });
}
