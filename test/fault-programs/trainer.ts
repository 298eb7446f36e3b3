/** A trainer without a model: each step is a hash of the last, so that what is lost, done twice or mixed up shows. */
import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { sha256Hex } from '../../activities/artifacts/hashing.js';
import type { startEngine, EngineEnd } from '../../activities/training/engine-process.js';
import type { EngineEvent, EngineJob } from '../../engine/job.js';
import { UserError } from '../../workflows/errors.js';
import type { WorkerProcess } from './cluster.js';

const TRAINING_STEPS = 6;
const EVERY = 2;

interface State {
  step: number;
  hash: string;
}

/** Steps that were trained, by stage: more than a whole run is work done again. */
export function trainerOf(process: WorkerProcess): typeof startEngine {
  return async (job, _dir, onEvent) => {
    let stopped = false;
    const ended = train(process, job, onEvent, () => stopped);
    ended.catch(() => undefined);
    return { ended, pid: undefined, stop: () => (stopped = true) };
  };
}

async function train(
  process: WorkerProcess,
  job: EngineJob,
  onEvent: (event: EngineEvent) => void,
  isStopped: () => boolean,
): Promise<EngineEnd> {
  if (job.kind !== 'supervised' && job.kind !== 'grpo') throw new Error(`no trainer for ${job.kind}`);
  let state = await beginning(job);
  const lines: string[] = [];
  while (state.step < TRAINING_STEPS) {
    await process.come('step');
    if (process.trainerKilled) throw new UserError('TrainerLost', 'The trainer was killed.');
    if (isStopped()) {
      await checkpoint(job.outputDir, state, onEvent);
      return { status: 'preempted' };
    }
    state = { step: state.step + 1, hash: sha256Hex(`${state.hash} ${state.step + 1}`) };
    const metrics = { step: state.step, tokens: 1, seconds: 1, learningRate: 1, gradNorm: 1, loss: 1 };
    lines.push(JSON.stringify(metrics));
    onEvent({ type: 'progress', metrics, total: TRAINING_STEPS, tokensPerSecond: 1 });
    if (state.step % EVERY !== 0 || state.step === TRAINING_STEPS) continue;
    const written = await checkpoint(job.outputDir, state, onEvent);
    // Uploads overlap with training in real life; here one after the other, so that a program means the same each time.
    while (existsSync(written) && !process.dead && !isStopped()) await turn();
  }
  const model = join(job.outputDir, 'model');
  await mkdir(model, { recursive: true });
  await writeFile(join(model, 'weights'), state.hash);
  await writeFile(join(job.outputDir, 'metrics.jsonl'), `${lines.join('\n')}\n`);
  return { status: 'done', dir: model, step: state.step };
}

/** The checkpoint to go on from; else a hash of everything that the stage reads. */
async function beginning(job: Extract<EngineJob, { kind: 'supervised' | 'grpo' }>): Promise<State> {
  if (job.resumeFrom) return JSON.parse(await readFile(join(job.resumeFrom, 'state'), 'utf8')) as State;
  if (job.model.from !== 'directory') throw new Error('the trainer starts from a model');
  const model = await readFile(join(job.model.path, 'weights'), 'utf8');
  return { step: 0, hash: sha256Hex(`${job.kind} ${model} ${await readFile(job.data, 'utf8')}`) };
}

async function checkpoint(
  outputDir: string,
  state: State,
  onEvent: (event: EngineEvent) => void,
): Promise<string> {
  const dir = join(outputDir, 'checkpoints', `step-${state.step}`);
  await mkdir(dir, { recursive: true });
  await writeFile(join(dir, 'state'), JSON.stringify(state));
  onEvent({ type: 'checkpoint', step: state.step, dir });
  return dir;
}
