/** Small jobs for real engine processes, and a way to run, watch and kill them. */
import { fork, type ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { writeDirectory } from '../../../engine/checkpoint/files.js';
import { writeModelFiles } from '../../../engine/checkpoint/model-directory.js';
import {
  engineJobSchema,
  type EngineEvent,
  type GenerateJob,
  type GrpoJob,
  type RewardJob,
  type SupervisedJob,
  type TrainingJob,
} from '../../../engine/job.js';
import { tinyArchitecture, tinyModel, writeTinyTokenizer } from './tiny-model.js';

/** The compiled entry point. */
export const MAIN = resolve(import.meta.dirname, '../../../dist/engine/main.js');

const jsonLines = (lines: readonly object[]) => lines.map((line) => `${JSON.stringify(line)}\n`).join('');
const pick = <T>(items: readonly T[], i: number): T => items[i % items.length]!;

/** Prompts of several lengths with a verdict that a tiny model can learn. */
function item(i: number) {
  const good = pick(['A', 'B'] as const, (i * 7) >> 1);
  const filler = 'so '.repeat((i * 5) % 17);
  return {
    id: `item-${i}`,
    prompt: `<user> judge ${filler}${good} good <assistant>`,
    completion: `<eval> ${good} good ${'so '.repeat(i % 6)}</eval> <answer> [[${good}]] </answer>`,
    gold: good,
  };
}

/** Write data and a tokenizer below `dir`. */
function writeInputs(dir: string): { data: string; tokenizerDir: string } {
  mkdirSync(dir, { recursive: true });
  const data = join(dir, 'data.jsonl');
  writeFileSync(data, jsonLines(Array.from({ length: 30 }, (_, i) => item(i))));
  return { data, tokenizerDir: writeTinyTokenizer(join(dir, 'tokenizer')) };
}

const optimizer = { learningRate: 3e-3, schedule: 'linear' as const, warmupSteps: 2 };

export function supervisedJob(dir: string, change: Partial<SupervisedJob> = {}): SupervisedJob {
  const { data, tokenizerDir } = writeInputs(dir);
  return engineJobSchema.parse({
    kind: 'supervised',
    seed: 11,
    model: { from: 'init', architecture: tinyArchitecture, tokenizerDir },
    data,
    outputDir: join(dir, 'out'),
    threads: 1,
    checkpointEverySteps: 3,
    optimizer,
    epochs: 2,
    batchSize: 5,
    maxLength: 64,
    promptLossWeight: 0.1,
    ...change,
  }) as SupervisedJob;
}

export function grpoJob(dir: string, change: Partial<GrpoJob> = {}): GrpoJob {
  const { data, tokenizerDir } = writeInputs(dir);
  const model = join(dir, 'start');
  if (!existsSync(model))
    writeDirectory(model, (temporary) => writeModelFiles(temporary, tinyModel(tokenizerDir, 4)));
  return engineJobSchema.parse({
    kind: 'grpo',
    seed: 12,
    model: { from: 'directory', path: model },
    data,
    outputDir: join(dir, 'out'),
    threads: 1,
    checkpointEverySteps: 2,
    optimizer,
    steps: 7,
    promptsPerStep: 6,
    groupSize: 3,
    miniBatches: 2,
    maxPromptTokens: 30,
    maxNewTokens: 20,
    ...change,
  }) as GrpoJob;
}

/** Pairs whose preferred answer says "good" where the other says "bad", in texts of several lengths. */
export function rewardJob(dir: string, change: Partial<RewardJob> = {}): RewardJob {
  const { tokenizerDir } = writeInputs(dir);
  const pairs = Array.from({ length: 30 }, (_, i) => ({
    id: `pair-${i}`,
    prompt: `<user> judge ${'so '.repeat((i * 5) % 13)}<assistant>`,
    chosen: `${'A B '.repeat(i % 4)}good`,
    rejected: `${'B A '.repeat((i * 3) % 5)}bad so`,
  }));
  const data = join(dir, 'pairs.jsonl');
  writeFileSync(data, jsonLines(pairs));
  return engineJobSchema.parse({
    kind: 'reward',
    seed: 14,
    model: { from: 'init', architecture: tinyArchitecture, tokenizerDir },
    data,
    outputDir: join(dir, 'out'),
    threads: 1,
    checkpointEverySteps: 3,
    optimizer,
    epochs: 3,
    batchSize: 6,
    maxLength: 64,
    ...change,
  }) as RewardJob;
}

export function generateJob(dir: string, model: string, change: Partial<GenerateJob> = {}): GenerateJob {
  const { data } = writeInputs(dir);
  return engineJobSchema.parse({
    kind: 'generate',
    seed: 13,
    model: { from: 'directory', path: model },
    data,
    outputDir: join(dir, 'out'),
    threads: 1,
    maxPromptTokens: 30,
    maxNewTokens: 20,
    ...change,
  }) as GenerateJob;
}

export interface Ended {
  code: number | null;
  signal: NodeJS.Signals | null;
  events: EngineEvent[];
  stderr: string;
}

/** Start an engine process on `job`; `onEvent` may kill it or talk to it. */
export function startProcess(
  job: unknown,
  dir: string,
  onEvent: (event: EngineEvent, child: ChildProcess) => void = () => {},
): { child: ChildProcess; ended: Promise<Ended> } {
  mkdirSync(dir, { recursive: true });
  const path = join(dir, 'job.json');
  writeFileSync(path, typeof job === 'string' ? job : JSON.stringify(job));
  if (!existsSync(MAIN)) throw new Error('build the project first: npm run build');
  const child = fork(MAIN, [path], { stdio: ['ignore', 'ignore', 'pipe', 'ipc'] });
  const events: EngineEvent[] = [];
  let stderr = '';
  child.stderr?.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  child.on('message', (message) => {
    events.push(message as EngineEvent);
    onEvent(message as EngineEvent, child);
  });
  const ended = new Promise<Ended>((done) => {
    child.on('close', (code, signal) => done({ code, signal, events, stderr }));
  });
  return { child, ended };
}

export const runProcess = (
  job: unknown,
  dir: string,
  onEvent?: (event: EngineEvent, child: ChildProcess) => void,
) => startProcess(job, dir, onEvent).ended;

/** The newest complete checkpoint below an output directory. */
export function newestCheckpoint(outputDir: string): string | undefined {
  const parent = join(outputDir, 'checkpoints');
  if (!existsSync(parent)) return undefined;
  const steps = readdirSync(parent)
    .filter((name) => name.startsWith('step-'))
    .map((name) => Number(name.slice(5)));
  return steps.length === 0 ? undefined : join(parent, `step-${Math.max(...steps)}`);
}

/** What must be equal between runs: hashes of the model's files, metrics without times, recorded rollouts. */
export function result(outputDir: string) {
  const model = join(outputDir, 'model');
  const files = Object.fromEntries(
    readdirSync(model)
      .sort()
      .map((name) => [
        name,
        createHash('sha256')
          .update(readFileSync(join(model, name)))
          .digest('hex'),
      ]),
  );
  const metrics = readFileSync(join(outputDir, 'metrics.jsonl'), 'utf8').replaceAll(
    /"seconds":[^,}]*/g,
    '"seconds":0',
  );
  const rollouts = join(outputDir, 'rollouts.jsonl');
  return { files, metrics, rollouts: existsSync(rollouts) ? readFileSync(rollouts, 'utf8') : '' };
}

/**
 * Run a job to its end through processes that are killed (−9) at the events `killAt` names, one after the other, each
 * resumed from the newest checkpoint on disk. @returns how often it was killed
 */
export async function runWithKills(
  job: TrainingJob,
  dir: string,
  killAt: readonly ((event: EngineEvent) => boolean)[],
): Promise<number> {
  let kills = 0;
  for (;;) {
    const resumeFrom = newestCheckpoint(job.outputDir);
    const when = killAt[kills];
    const end = await runProcess({ ...job, ...(resumeFrom ? { resumeFrom } : {}) }, dir, (event, child) => {
      if (when?.(event)) child.kill('SIGKILL');
    });
    if (end.signal === 'SIGKILL') {
      kills += 1;
      continue;
    }
    if (end.code !== 0)
      throw new Error(`engine ended with ${end.code}: ${JSON.stringify(end.events.at(-1))} ${end.stderr}`);
    return kills;
  }
}
