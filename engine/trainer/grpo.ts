/** The job `grpo`: reinforcement learning with the ±1 correctness reward (RM-R1, section 4; GRPO, arXiv 2402.03300). */
import { EpochOrder, type Visit } from '../data/epochs.js';
import { readGrpoPrompts } from '../data/prompts.js';
import { badJob } from '../errors.js';
import type { GrpoJob } from '../job.js';
import { learningRate } from '../optimizer/schedule.js';
import { Decoder } from '../rollout/decoder.js';
import { providerOf } from '../onnx/device.js';
import { splitEvenly } from './grpo-update.js';
import { grpoUpdates } from './grpo-updates.js';
import type { EngineIo, JobEnd } from './io.js';
import { rollOut, rolloutSettings, type Rollout } from './rollouts.js';
import { disagrees, drawGroups } from './group-draws.js';
import { loadSourceModel } from './source-model.js';
import { planTraining, rolloutWeights } from './training-plan.js';
import { ROLLOUTS_FILE, TrainingSession, type Recorder, type Step } from './training-session.js';

/** Sample rollouts recorded at a step that ends in a checkpoint. */
const ROLLOUTS_RECORDED = 4;

/**
 * Train until the job's last step or a stop; see `TrainingSession` for what is written. The reference model of the
 * KL term is the starting model of the job, also after a resume.
 */
export async function runGrpo(job: GrpoJob, io: EngineIo): Promise<JobEnd> {
  const model = loadSourceModel(job);
  const { tokenizer } = model;
  const { config } = model.layout;
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
  const updates = await grpoUpdates(plan, job, session.state, longest + job.maxNewTokens, () => io.breathe());
  const decoder = new Decoder(plan.trained, job.threads, await providerOf(job.device));

  const step: Step = async (number, state, record) => {
    const weights = rolloutWeights(plan, state.parameters);
    const generation = rolloutSettings(job, model, number);
    const draw = (visits: readonly Visit[]): Promise<Rollout[][]> => {
      const drawn = visits.map(({ item, epoch }) => ({ prompt: prompts[item]!, epoch }));
      return rollOut(decoder, tokenizer, weights, drawn, generation);
    };
    const { groups, all } = await drawGroups(job, order, number, draw);
    if (number === 1 || number === job.steps || number % job.checkpointEverySteps === 0)
      recordExamples(number, groups, record);
    const rate = learningRate(job.optimizer, number - 1, job.steps);
    const parts = splitEvenly(groups, job.miniBatches).filter((part) => part.length > 0);
    const results = await updates.run(
      state,
      parts.map((part) => part.flat()),
      rate,
    );
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
    await updates.release();
    await decoder.release();
  }
}

function recordExamples(step: number, groups: readonly Rollout[][], record: Recorder): void {
  for (const group of groups.slice(0, ROLLOUTS_RECORDED)) {
    const { id, gold, text, reward } = group[0]!;
    record(ROLLOUTS_FILE, { step, id, gold, text, reward });
  }
}

/** Of an empty step, in which no group disagreed and nothing was learned, it is 0. */
function mean(values: readonly number[]): number {
  if (values.length === 0) return 0;
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
