/** The optimiser updates of GRPO steps: on the host, a run of a graph for each micro-batch, or on the device. */
import type { TrainingState } from '../checkpoint/training-checkpoint.js';
import type { GrpoJob } from '../job.js';
import { gspoObjective, grpoObjective } from '../model/update-objectives.js';
import {
  accumulateGrpo,
  completionTokens,
  figureScale,
  grpoDivisor,
  grpoSettings,
  rolloutBatches,
} from './grpo-update.js';
import { LoopedUpdates, updatesPerRun } from './looped-updates.js';
import type { Rollout } from './rollouts.js';
import { createRuntime, type TrainingPlan } from './training-plan.js';

export interface GrpoFigures {
  loss: number;
  kl: number;
  clipShare: number;
  gradNorm: number;
}

/** The updates of one step, one for each part of its rollouts. */
export interface GrpoUpdates {
  /** One update for each part, in order, on `state`. */
  run(state: TrainingState, parts: readonly Rollout[][], learningRate: number): Promise<GrpoFigures[]>;
  /** Free the graphs. */
  release(): Promise<void>;
}

/**
 * The updates of a job, on the device where it has one (see `updatesPerRun`).
 * @param longest tokens of a prompt and completion at most
 * @param breathe called between runs of graphs
 */
export async function grpoUpdates(
  plan: TrainingPlan,
  job: GrpoJob,
  state: TrainingState,
  longest: number,
  breathe: () => Promise<void>,
): Promise<GrpoUpdates> {
  const together = await updatesPerRun(job);
  return together === undefined ? onHost(plan, job, state, breathe) : onDevice(plan, job, longest, together);
}

async function onHost(
  plan: TrainingPlan,
  job: GrpoJob,
  { parameters, m, v, updates }: TrainingState,
  breathe: () => Promise<void>,
): Promise<GrpoUpdates> {
  const runtime = await createRuntime(plan, { params: parameters, m, v, step: updates }, job);
  return {
    async run(state, parts, learningRate) {
      const results: GrpoFigures[] = [];
      for (const part of parts) {
        const figures = await accumulateGrpo(runtime, plan, job, part, breathe);
        results.push({ ...figures, ...(await runtime.applyAdamW(learningRate)) });
      }
      state.updates = runtime.state.step;
      return results;
    },
    release: () => runtime.release(),
  };
}

/** Reference log-probabilities, gradients and updates in one run of a graph, which holds the starting model. */
async function onDevice(
  plan: TrainingPlan,
  job: GrpoJob,
  longest: number,
  together: number,
): Promise<GrpoUpdates> {
  const settings = { ...grpoSettings(job), temperature: job.temperature };
  const common = { longest, nameOf: ({ id }: Rollout) => id };
  const looped =
    job.objective === 'gspo'
      ? await LoopedUpdates.create(plan, job, {
          ...common,
          objective: gspoObjective(settings, Math.ceil(job.promptsPerStep / job.miniBatches) * job.groupSize),
          layOut: (rollouts, tokens) => ({
            batches: rolloutBatches(plan, rollouts, tokens).map(({ batch }) => batch),
            total: { tokens: completionTokens(rollouts), sequences: rollouts.length },
          }),
        })
      : await LoopedUpdates.create(plan, job, {
          ...common,
          objective: grpoObjective(settings),
          layOut: (rollouts, tokens) => ({
            batches: rolloutBatches(plan, rollouts, tokens).map(({ batch }) => batch),
            total: grpoDivisor(job, rollouts),
          }),
        });
  return {
    async run(state, parts, learningRate) {
      const results: GrpoFigures[] = [];
      for (let from = 0; from < parts.length; from += together) {
        const some = parts.slice(from, from + together);
        const figures = await looped.run(
          state,
          some.map((items) => ({ items, learningRate })),
        );
        const scales = some.map((rollouts) => figureScale(job, rollouts));
        figures.forEach(({ kl, clipShare, ...rest }, i) =>
          results.push({ ...rest, kl: kl * scales[i]!, clipShare: clipShare * scales[i]! }),
        );
      }
      return results;
    },
    release: () => looped.release(),
  };
}
