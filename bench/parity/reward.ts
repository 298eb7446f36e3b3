/** Exported reward models, whole and as adapters, scored by transformers and PEFT and by the engine. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readModelDirectory } from '../../engine/checkpoint/model-directory.js';
import { readPreferenceData } from '../../engine/data/preference-data.js';
import { engineJobSchema, type RewardJob } from '../../engine/job.js';
import { Scorer } from '../../engine/resident/scoring.js';
import { runReward } from '../../engine/trainer/reward.js';
import type { BenchResult } from '../result.js';
import { distanceResult } from './distance.js';
import { QUIET } from './our-training.js';
import { askPython } from './python.js';
import { writePreferences, writeSmallModel } from './small-judge.js';

const MAX_LENGTH = 64;

interface Answer {
  model: number[];
  adapter?: number[];
  versions: Record<string, string>;
}

export async function rewardParity(python: string): Promise<BenchResult[]> {
  const work = mkdtempSync(join(tmpdir(), 'rmr1-parity-'));
  try {
    return [
      ...(await scored(python, 'reward model, all weights', join(work, 'whole'), {})),
      ...(await scored(python, 'reward model, adapters', join(work, 'lora'), {
        lora: { rank: 4, alpha: 8, targets: ['q_proj', 'v_proj', 'gate_proj'] },
      })),
    ];
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

async function scored(
  python: string,
  name: string,
  dir: string,
  change: Partial<RewardJob>,
): Promise<BenchResult[]> {
  mkdirSync(dir);
  const base = writeSmallModel(dir, { tieEmbeddings: true });
  const job = engineJobSchema.parse({
    kind: 'reward',
    seed: 6,
    model: { from: 'directory', path: base },
    data: writePreferences(dir),
    outputDir: join(dir, 'out'),
    threads: 1,
    checkpointEverySteps: 1_000,
    optimizer: { learningRate: 3e-3 },
    epochs: 3,
    batchSize: 10,
    maxLength: MAX_LENGTH,
    ...change,
  }) as RewardJob;
  await runReward(job, QUIET);
  const model = join(job.outputDir, 'model');
  const loaded = readModelDirectory(model);
  const sequences = readPreferenceData(job.data, loaded.tokenizer, MAX_LENGTH).flatMap(
    ({ chosen, rejected }) => [[...chosen], [...rejected]],
  );
  const scorer = await Scorer.create(loaded, 1);
  const ours = await scorer.scores(sequences.map((tokens) => ({ tokens, promptTokens: 0 })));
  await scorer.release();
  const request = { base, model, adapter: change.lora ? join(job.outputDir, 'adapter') : null, sequences };
  const answer = (await askPython(python, 'reward_transformers.py', request)) as Answer;
  const results = [figure(`${name}: export in transformers`, ours, answer.model, answer.versions)];
  if (answer.adapter)
    results.push(figure(`${name}: PEFT on the base`, ours, answer.adapter, answer.versions));
  return results;
}

function figure(
  name: string,
  ours: Float32Array,
  theirs: readonly number[],
  peer: Record<string, string>,
): BenchResult {
  const range = `${theirs.length} scores from ${Math.min(...theirs).toFixed(2)} to ${Math.max(...theirs).toFixed(2)}`;
  const distances = theirs.map((score, i) => Math.abs(score - ours[i]!));
  return distanceResult(`${name}, ${range}`, 'largest difference of a score', distances, peer);
}
