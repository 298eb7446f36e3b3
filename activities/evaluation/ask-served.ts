/** Pairs judged by a model of the run at a server on the cluster; every judgement is stored before it counts. */
import { Context } from '@temporalio/activity';
import { setMaxListeners } from 'node:events';
import type { PresentedPair } from '../../judge/pair.js';
import type { PromptVersion } from '../../judge/prompt/versions.js';
import { judgeServerOf } from '../../recipes/judge-server.js';
import type { Recipe } from '../../recipes/schema.js';
import { UserError } from '../../workflows/errors.js';
import type { Sampling } from '../../workflows/judge-settings.js';
import { mapLimit } from '../artifacts/map-limit.js';
import type { ArtifactRef } from '../artifacts/ref.js';
import type { ArtifactStore } from '../artifacts/store.js';
import type { ServerWish } from '../ray/judge-server.js';
import { precisionOf, raySettings } from '../ray/make-spec.js';
import { serverFor } from '../ray/open-server.js';
import type { StageContext } from '../stage-outcome.js';
import type { FiguresReporter } from '../training/figures.js';
import type { Opinion } from './judges/judge.js';
import { Patience, patientJudge } from './judges/patience.js';
import { SERVER_SILENCE_MS, servedJudge } from './judges/served-judge.js';
import { storedJudge } from './judges/stored-judge.js';
import { Tolerance } from './judges/tolerance.js';

/** Beside the questions in flight: those that wait for their turn, or for the store. */
const AHEAD = 32;

export interface ServedRequest {
  wish: ServerWish;
  shown: readonly PresentedPair[];
  samples: number;
  promptVersion: PromptVersion;
  sampling: Sampling;
}

/** The server of a model of a run, as its recipe wants it. */
export function wishOf({
  recipe,
  context,
  model,
  stage,
}: {
  recipe: Recipe;
  context: StageContext;
  model: ArtifactRef;
  stage: ServerWish['stage'];
}): { wish: ServerWish } {
  const size = judgeServerOf(recipe);
  if (!size)
    throw new UserError(
      'InvalidInput',
      `Recipe '${recipe.name}' has no server for its judges any more: set ray.judgeServer, or start the stage again.`,
    );
  const { runId } = context;
  const workflowId = Context.current().info.workflowExecution?.workflowId ?? 'unknown';
  const { cpusPerNode: cpus } = raySettings(recipe);
  return { wish: { runId, stage, model, ...size, precision: precisionOf(recipe), cpus, workflowId } };
}

/**
 * The opinions on each pair, in the order of their samples; undefined where the activity was stopped before all were there.
 * @throws UserError `JudgeServerFailed`, `RayTooSmall`, `RayUnreachable`, `JudgeUnreachable`, `JudgeRejected`; StoreError.
 */
export async function askServed(
  store: ArtifactStore,
  { wish, shown, samples, promptVersion, sampling }: ServedRequest,
  reporter: FiguresReporter,
): Promise<Opinion[][] | undefined> {
  const signal = Context.current().cancellationSignal;
  setMaxListeners(0, signal);
  const server = serverFor(store, wish);
  try {
    const { precision, model } = wish;
    const bare = servedJudge(server, { sha256: model.sha256, precision, promptVersion }, sampling);
    const patience = new Patience(bare.concurrency, { silenceMs: SERVER_SILENCE_MS });
    const judge = await storedJudge(patientJudge(bare, patience), store);
    const tolerance = new Tolerance();
    let answered = 0;
    const total = shown.length * samples;
    const questions = shown.flatMap((item) =>
      Array.from({ length: samples }, (_, sample) => ({ item, sample })),
    );
    const opinions = await mapLimit(questions, judge.concurrency.most + AHEAD, async ({ item, sample }) => {
      if (signal.aborted) return undefined;
      try {
        const { pair, answerA, answerB } = item;
        const question = { conversation: pair.conversation, answerA, answerB, sample };
        const opinion = await tolerance.ask(judge, question, signal);
        reporter.show({ step: ++answered, total });
        return opinion;
      } catch (error) {
        if (signal.aborted) return undefined;
        throw error;
      }
    });
    if (opinions.some((opinion) => opinion === undefined)) return undefined;
    return shown.map((_, index) => opinions.slice(index * samples, (index + 1) * samples) as Opinion[]);
  } finally {
    await server.close();
  }
}
