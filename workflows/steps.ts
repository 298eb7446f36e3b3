/** One function per stage: which artefacts it takes, which activities or child workflow make it. */
import { workflowInfo } from '@temporalio/workflow';
import type { ArtifactRef } from '../activities/artifacts/ref.js';
import type { TrainInput } from '../activities/interface.js';
import type { StageOutcome, TimedOutcome } from '../activities/stage-outcome.js';
import { io, training } from './activities.js';
import { studentSamples } from '../recipes/self-taught.js';
import type { Round, RunControl } from './run-control.js';

/** An output that the stage always has. */
export function output(outcome: StageOutcome, name: string): ArtifactRef {
  const ref = outcome.outputs[name];
  if (!ref) throw new Error(`Stage '${outcome.stage}' has no output '${name}'.`);
  return ref;
}

/** Pairs in, checked and split; with the tokenizer and the warm-up documents made from the same data. */
export function prepareDataset(run: RunControl): Promise<TimedOutcome> {
  return run.stage('dataset', () =>
    io(run.heartbeatSeconds).prepareDataset({
      context: run.context,
      seed: run.seed,
      recipe: run.recipe,
      ...(run.data === undefined ? {} : { data: run.data }),
    }),
  );
}

/** The student before it is a judge: language and format, no judgement. */
export function warmUpBase(run: RunControl, dataset: StageOutcome): Promise<TimedOutcome> {
  return run.stage('base', () =>
    train(run, 'base', { tokenizer: output(dataset, 'tokenizer'), data: output(dataset, 'documents') }),
  );
}

/** Whether the model that the run starts from judges before the oracle does, or in its place. */
export function startsWithStudent({ recipe }: RunControl): boolean {
  return studentSamples(recipe) !== undefined;
}

/** One distillation: `student` judges first where the recipe wants it, then oracles. */
export function askForTraces(
  run: RunControl,
  dataset: StageOutcome,
  student: StageOutcome,
  at?: Round,
): Promise<TimedOutcome> {
  const artifacts = {
    pairs: output(dataset, 'train'),
    ...(startsWithStudent(run) ? { student: output(student, 'model') } : {}),
  };
  return run.child('distill', artifacts, at);
}

export function fineTune(
  run: RunControl,
  base: StageOutcome,
  traces: StageOutcome,
  at?: Round,
): Promise<TimedOutcome> {
  return run.child('sft', { model: output(base, 'model'), traces: output(traces, 'traces') }, at);
}

export function reinforce(run: RunControl, sft: StageOutcome, dataset: StageOutcome): Promise<TimedOutcome> {
  return run.child('grpo', { model: output(sft, 'model'), pairs: output(dataset, 'train') });
}

/** What is judged. The style matrix is made of test problems: whoever chooses settings on validation must not see it. */
export function judgedSets(run: RunControl, dataset: StageOutcome): Record<string, ArtifactRef> {
  const { split } = run.recipe.evaluate;
  const { matrix } = dataset.outputs;
  return { pairs: output(dataset, split), ...(matrix && split === 'test' ? { matrix } : {}) };
}

export function evaluateJudges(
  run: RunControl,
  dataset: StageOutcome,
  models: { base: StageOutcome; sft: StageOutcome; grpo: StageOutcome },
): Promise<TimedOutcome> {
  return run.child('evaluate', {
    ...judgedSets(run, dataset),
    base: output(models.base, 'model'),
    sft: output(models.sft, 'model'),
    grpo: output(models.grpo, 'model'),
  });
}

export function writeReport(run: RunControl): Promise<TimedOutcome> {
  return run.stage('report', () =>
    io(run.heartbeatSeconds).writeReport({
      context: run.context,
      recipe: run.recipe,
      recipeRef: run.plan.recipeRef,
      seed: run.seed,
      startedAt: workflowInfo().startTime.toISOString(),
      stages: run.outcomes,
    }),
  );
}

/** Train to the end, however often the trainer is preempted: each call goes on from the newest checkpoint. */
export async function train(
  run: RunControl,
  stage: TrainInput['stage'],
  input: Pick<TrainInput, 'model' | 'tokenizer' | 'data'>,
): Promise<StageOutcome> {
  const { trainModel } = training(run.heartbeatSeconds);
  for (;;) {
    const result = await trainModel({
      context: run.context,
      stage,
      seed: run.seed,
      recipe: run.recipe,
      ...input,
    });
    if (result.status === 'done') return result.outcome;
    await run.yieldIfInterrupted();
  }
}
