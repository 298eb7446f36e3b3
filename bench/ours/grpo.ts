/** Whole GRPO steps: rollouts, rewards, log-probabilities of the reference, gradient, update. */
import { readModelDirectory } from '../../engine/checkpoint/model-directory.js';
import { engineJobSchema, type GrpoJob, type LoraSettings } from '../../engine/job.js';
import { Decoder } from '../../engine/rollout/decoder.js';
import { accumulateGrpo } from '../../engine/trainer/grpo-update.js';
import { rollOut, rolloutSettings } from '../../engine/trainer/rollouts.js';
import {
  createRuntime,
  initialTrainables,
  planTraining,
  rolloutWeights,
  trainedSize,
} from '../../engine/trainer/training-plan.js';
import type { Ready } from '../peer/serve-contender.js';

export interface GrpoCase {
  kind: 'grpo';
  model: string;
  threads: number;
  /** Texts, all of the same number of tokens. */
  prompts: string[];
  group: number;
  newTokens: number;
  klCoefficient: number;
  lora?: Pick<LoraSettings, 'rank' | 'alpha'>;
}

/** No token has this id, so that every completion has its full length. */
const NEVER = -1;

/** A unit of work is one step on all prompts. */
export async function oursGrpo(which: GrpoCase): Promise<Omit<Ready, 'versions'>> {
  const { model: path, prompts, group, newTokens, threads, klCoefficient, lora } = which;
  const model = readModelDirectory(path);
  const encoded = prompts.map((text, i) => ({
    id: `${i}`,
    gold: 'A' as const,
    tokens: [...model.tokenizer.encode(text)],
  }));
  const job = engineJobSchema.parse({
    kind: 'grpo',
    seed: 1,
    model: { from: 'directory', path },
    data: 'none',
    outputDir: 'none',
    checkpointEverySteps: 1_000,
    optimizer: { learningRate: 1e-6 },
    threads,
    steps: 1_000,
    promptsPerStep: prompts.length,
    groupSize: group,
    maxPromptTokens: Math.max(...encoded.map(({ tokens }) => tokens.length)),
    maxNewTokens: newTokens,
    klCoefficient,
    ...(lora ? { lora } : {}),
  }) as GrpoJob;
  const plan = planTraining(job, model);
  const size = trainedSize(plan);
  const zeros = (): Float32Array => new Float32Array(size);
  const state = { params: initialTrainables(plan, 1), m: zeros(), v: zeros(), step: 0 };
  const runtime = await createRuntime(plan, state, job);
  const decoder = new Decoder(plan.trained, threads);
  const drawn = encoded.map((prompt) => ({ prompt, epoch: 0 }));
  let step = 0;
  return {
    parameters: model.layout.size,
    trained: size,
    work: async (count) => {
      const spent = { rollouts: 0, update: 0 };
      for (let i = 0; i < count; i += 1) {
        step += 1;
        const began = performance.now();
        const settings = { ...rolloutSettings(job, model, step), stops: [NEVER] };
        const groups = await rollOut(
          decoder,
          model.tokenizer,
          rolloutWeights(plan, state.params),
          drawn,
          settings,
        );
        const rolled = performance.now();
        await accumulateGrpo(runtime, plan, job, groups.flat(), () => Promise.resolve());
        await runtime.applyAdamW(job.optimizer.learningRate);
        spent.rollouts += (rolled - began) / 1_000;
        spent.update += (performance.now() - rolled) / 1_000;
      }
      return { prompt: encoded[0]!.tokens.length, ...spent };
    },
  };
}
