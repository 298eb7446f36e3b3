/** Rollouts of prompts of one length, each a batch of its own size. */
import { readModelDirectory } from '../../engine/checkpoint/model-directory.js';
import { Decoder } from '../../engine/rollout/decoder.js';
import type { Ready } from '../peer/serve-contender.js';

export interface DecodeCase {
  kind: 'decode';
  model: string;
  threads: number;
  batch: number;
  /** Token ids, `batch` prompts of the same length; every unit of work completes them all. */
  prompts: number[][];
  newTokens: number;
}

/** No token has this id, so that every completion has its full length. */
const NEVER = -1;

/** A unit of work is one batch; batches of one call follow each other. */
export async function oursDecode({
  model,
  threads,
  batch,
  prompts,
  newTokens,
}: DecodeCase): Promise<Omit<Ready, 'versions'>> {
  const { layout, parameters } = readModelDirectory(model);
  const decoder = new Decoder({ layout }, threads);
  // As for serving and evaluation; the other sides prepare their weights while they load them, too.
  const weights = { parameters };
  await decoder.hold(weights);
  return {
    parameters: layout.size,
    work: async (count) => {
      const all = Array.from({ length: count }, () => prompts)
        .flat()
        .map((tokens, key) => ({ tokens, key }));
      const completions = await decoder.generate(weights, all, {
        samples: 1,
        temperature: 0,
        maxNewTokens: newTokens,
        batchSize: batch,
        seed: 1,
        step: 0,
        stops: [NEVER],
      });
      return { tokens: Array.from(completions[0]!.tokens) };
    },
  };
}
