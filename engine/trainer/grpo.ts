/** The job `grpo`: reinforcement learning with the ±1 correctness reward (RM-R1, section 4; GRPO, arXiv 2402.03300). */
import { EpochOrder, type Visit } from '../data/epochs.js';
import { readGrpoPrompts } from '../data/prompts.js';
import { badJob } from '../errors.js';
import type { GrpoJob } from '../job.js';
import type { GrpoBatch } from '../model/batch.js';
import type { GrpoPart } from '../model/runtime.js';
import type { GrpoSettings } from '../loss/grpo.js';
import { learningRate } from '../optimizer/schedule.js';
import { Decoder } from '../rollout/decoder.js';
import { providerOf } from '../onnx/device.js';
import { perToken, planMicroBatches, rolloutRows, tokenBatch } from './batches.js';
import type { EngineIo, JobEnd } from './io.js';
import { rollOut, type Rollout } from './rollouts.js';
import { disagrees, drawGroups } from './group-draws.js';
import { namesOf, requireFiniteLoss } from './divergence.js';
import { loadSourceModel } from './source-model.js';
import { createRuntime, planTraining, rolloutWeights } from './training-plan.js';
import { ROLLOUTS_FILE, TrainingSession, type Recorder, type Step } from './training-session.js';

const DAPO_CLIP_HIGH = 0.28;
/** Sample rollouts recorded at a step that ends in a checkpoint. */
const ROLLOUTS_RECORDED = 4;

/**
 * Train until the job's last step or a stop; see `TrainingSession` for what is written. The reference model of the
 * KL term is the starting model of the job, also after a resume.
 */
export async function runGrpo(job: GrpoJob, io: EngineIo): Promise<JobEnd> {
  const model = loadSourceModel(job);
  const { layout, tokenizer, parameters: reference } = model;
  const { config } = layout;
  const prompts = readGrpoPrompts(job.data, tokenizer, job.maxPromptTokens);
  const longest = prompts.reduce((length, prompt) => Math.max(length, prompt.tokens.length), 0);
  if (longest + job.maxNewTokens > config.maxLength)
    throw badJob(
      `prompts of up to ${longest} tokens and maxNewTokens ${job.maxNewTokens} do not fit into the model's ` +
        `${config.maxLength} tokens: lower maxNewTokens or maxPromptTokens`,
    );
  if (job.miniBatches > job.promptsPerStep)
    throw badJob(`miniBatches ${job.miniBatches} is more than promptsPerStep ${job.promptsPerStep}`);
  const order = new EpochOrder(prompts.length, job.seed);
  const plan = planTraining(job, model);
  const session = new TrainingSession(job, plan, io);
  const { parameters, m, v, updates } = session.state;
  const runtime = await createRuntime(plan, { params: parameters, m, v, step: updates }, job);
  const decoder = new Decoder(plan.trained, job.threads, await providerOf(job.device));

  /** One optimiser update on a mini-batch; figures are means over its completion tokens. */
  const update = async (
    rollouts: readonly Rollout[],
    rate: number,
  ): Promise<GrpoPart & { gradNorm: number }> => {
    const { temperature } = job;
    const settings = { ...grpoSettings(job), temperature };
    const sequences = rollouts.map((rollout) => rollout.tokens);
    const totalTokens = rollouts.reduce((sum, rollout) => sum + rollout.completionTokens, 0);
    // Dr. GRPO divides by what the batch could have held, so that long wrong answers are not spared.
    const divisor = job.objective === 'dr-grpo' ? rollouts.length * job.maxNewTokens : totalTokens;
    const sizes = sequences.map((tokens) => tokens.length);
    const total = { loss: 0, kl: 0, clipShare: 0 };
    for (const rows of planMicroBatches(sizes, plan.batches)) {
      const batch = tokenBatch(rows, sequences, tokenizer.padding);
      const refLogprobs = await runtime.logprobs(batch, { params: reference, temperature });
      const filled: GrpoBatch = {
        ...batch,
        weights: perToken(
          rows,
          rollouts.map((rollout) => rollout.weights),
        ),
        oldLogprobs: perToken(
          rows,
          rollouts.map((rollout) => rollout.oldLogprobs),
        ),
        refLogprobs,
        advantages: perToken(
          rows,
          rollouts.map(({ tokens, advantage }) => new Float32Array(tokens.length).fill(advantage)),
        ),
      };
      const part =
        job.objective === 'gspo'
          ? await runtime.gradGspo(filled, { tokens: totalTokens, sequences: rollouts.length }, settings)
          : await runtime.gradGrpo(filled, divisor, settings);
      requireFiniteLoss(part.loss, () => namesOf(rows, (index) => rollouts[index]!.id));
      total.loss += part.loss;
      // Figures are means over tokens whatever the loss divides by.
      const scale = job.objective === 'gspo' ? 1 : divisor / totalTokens;
      total.kl += part.kl * scale;
      total.clipShare += part.clipShare * scale;
      await io.breathe();
    }
    return { ...total, ...(await runtime.applyAdamW(rate)) };
  };

  const step: Step = async (number, state, record) => {
    const weights = rolloutWeights(plan, state.parameters);
    const generation = {
      samples: job.groupSize,
      temperature: job.temperature,
      ...(job.topP === undefined ? {} : { topP: job.topP }),
      divideAdvantages: job.objective !== 'dr-grpo',
      maxNewTokens: job.maxNewTokens,
      batchSize: rolloutRows(config, Math.min(config.maxLength, job.maxPromptTokens + job.maxNewTokens)),
      seed: job.seed,
      step: number,
      stops: [tokenizer.endOfText],
    };
    const draw = (visits: readonly Visit[]): Promise<Rollout[][]> => {
      const drawn = visits.map(({ item, epoch }) => ({ prompt: prompts[item]!, epoch }));
      return rollOut(decoder, tokenizer, weights, drawn, generation);
    };
    const { groups, all } = await drawGroups(job, order, number, draw);
    if (number === 1 || number === job.steps || number % job.checkpointEverySteps === 0)
      recordExamples(number, groups, record);
    const rate = learningRate(job.optimizer, number - 1, job.steps);
    const results = [];
    for (const part of split(groups, job.miniBatches))
      if (part.length > 0) results.push(await update(part.flat(), rate));
    state.updates = runtime.state.step;
    const rollouts = all.flat();
    const tokens = rollouts.reduce((sum, rollout) => sum + rollout.completionTokens, 0);
    return {
      tokens,
      learningRate: rate,
      gradNorm: mean(results.map((result) => result.gradNorm)),
      loss: mean(results.map((result) => result.loss)),
      reward: mean(rollouts.map((rollout) => rollout.reward)),
      informativeGroups: all.filter(disagrees).length / all.length,
      kl: mean(results.map((result) => result.kl)),
      clipShare: mean(results.map((result) => result.clipShare)),
      completionTokens: tokens / rollouts.length,
    };
  };

  try {
    return await session.run(job.steps, step);
  } finally {
    await runtime.release();
    await decoder.release();
  }
}

/** DAPO's upper clip is its own; else clipping is symmetric. */
function grpoSettings({ objective, clip, clipHigh, klCoefficient }: GrpoJob): GrpoSettings {
  const high = clipHigh ?? (objective === 'dapo' ? DAPO_CLIP_HIGH : undefined);
  return { clip, klCoefficient, ...(high === undefined ? {} : { clipHigh: high }) };
}

function recordExamples(step: number, groups: readonly Rollout[][], record: Recorder): void {
  for (const group of groups.slice(0, ROLLOUTS_RECORDED)) {
    const { id, gold, text, reward } = group[0]!;
    record(ROLLOUTS_FILE, { step, id, gold, text, reward });
  }
}

/** `parts` runs of neighbouring items, as equal as can be. */
function split<T>(items: readonly T[], parts: number): T[][] {
  const bounds = Array.from({ length: parts + 1 }, (_, i) => Math.floor((i * items.length) / parts));
  return bounds.slice(1).map((end, i) => items.slice(bounds[i], end));
}

/** Of an empty step, in which no group disagreed and nothing was learned, it is 0. */
function mean(values: readonly number[]): number {
  if (values.length === 0) return 0;
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
