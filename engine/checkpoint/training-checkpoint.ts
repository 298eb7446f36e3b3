/**
 * A training checkpoint: the directory `step-N/` with weights, optimizer moments, what was recorded so far, and
 * `state.json`, which names the SHA-256 of every other file. All randomness is a function of (seed, step), so the
 * step number is the whole position in the run.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { badData, badJob } from '../errors.js';
import type { TrainingJob } from '../job.js';
import type { FlatLayout } from '../model/parameters.js';
import { requireDirectory, sha256File, writeDirectory, writeDurably } from './files.js';
import { WEIGHTS_FILE, namedTensors, readFlat } from './model-directory.js';
import { parseFile } from './parse-file.js';
import { SafetensorsFile, writeSafetensors } from './safetensors.js';

const OPTIMIZER_FILE = 'optimizer.safetensors';
const STATE_FILE = 'state.json';
const FIRST_MOMENT = 'm.';
const SECOND_MOMENT = 'v.';

const stateSchema = z.strictObject({
  format: z.literal(1),
  kind: z.enum(['supervised', 'grpo', 'reward']),
  step: z.int().nonnegative(),
  /** Optimizer updates made; with several mini-batches a step it is more than `step`. */
  updates: z.int().nonnegative(),
  seed: z.int().nonnegative(),
  fingerprint: z.string(),
  /** SHA-256 in hex of every other file of the directory. */
  files: z.record(z.string(), z.string()),
});

/** All that a training run carries from step to step. */
export interface TrainingState {
  kind: TrainingJob['kind'];
  /** Completed steps. */
  step: number;
  updates: number;
  seed: number;
  /** Hash of everything that decides the run's results; see `jobFingerprint`. */
  fingerprint: string;
  parameters: Float32Array;
  /** AdamW first and second moments, ordered like the parameters. */
  m: Float32Array;
  v: Float32Array;
  /** JSONL records so far by file name, such as `metrics.jsonl`. */
  records: Record<string, string>;
}

/** Write `dir` (complete or not at all) and force it to disk. */
export function writeCheckpoint(dir: string, layout: FlatLayout, state: TrainingState): void {
  writeDirectory(dir, (temporary) => {
    const { kind, step, updates, seed, fingerprint } = state;
    const files: Record<string, string> = {
      [WEIGHTS_FILE]: writeSafetensors(join(temporary, WEIGHTS_FILE), namedTensors(layout, state.parameters)),
      [OPTIMIZER_FILE]: writeSafetensors(join(temporary, OPTIMIZER_FILE), [
        ...namedTensors(layout, state.m, FIRST_MOMENT),
        ...namedTensors(layout, state.v, SECOND_MOMENT),
      ]),
    };
    for (const [name, text] of Object.entries(state.records))
      files[name] = writeDurably(join(temporary, name), text);
    const head: z.infer<typeof stateSchema> = { format: 1, kind, step, updates, seed, fingerprint, files };
    writeDurably(join(temporary, STATE_FILE), `${JSON.stringify(head, null, 2)}\n`);
  });
}

/**
 * Read a checkpoint and verify every checksum.
 * @throws EngineError: bad job when it belongs to another job, bad data when it is incomplete or corrupt.
 */
export function readCheckpoint(dir: string, layout: FlatLayout, fingerprint: string): TrainingState {
  requireDirectory(dir, 'the checkpoint');
  const statePath = join(dir, STATE_FILE);
  if (!existsSync(statePath)) throw badData(`${dir} is not a complete checkpoint: it has no ${STATE_FILE}`);
  const text = readFileSync(statePath, 'utf8');
  const { files, format: _, ...state } = parseFile(stateSchema, text, statePath);
  if (state.fingerprint !== fingerprint)
    throw badJob(
      `${dir} was written by another job (its settings, data or starting model differ): resume with the same job, ` +
        `or start without resumeFrom`,
    );
  for (const name of [WEIGHTS_FILE, OPTIMIZER_FILE])
    if (!(name in files)) throw badData(`${statePath}: files does not list ${name}`);
  for (const [name, expected] of Object.entries(files))
    if (sha256File(join(dir, name), `the checkpoint file ${name}`) !== expected)
      throw badData(`${join(dir, name)} is corrupt: its SHA-256 is not the one in ${STATE_FILE}`);
  const records = Object.fromEntries(
    Object.keys(files)
      .filter((name) => name.endsWith('.jsonl'))
      .map((name) => [name, readFileSync(join(dir, name), 'utf8')]),
  );
  const moments = SafetensorsFile.use(join(dir, OPTIMIZER_FILE), 'the optimizer state', (file) => ({
    m: readFlat(file, layout, FIRST_MOMENT),
    v: readFlat(file, layout, SECOND_MOMENT),
  }));
  const parameters = SafetensorsFile.use(join(dir, WEIGHTS_FILE), 'the weights file', (file) =>
    readFlat(file, layout),
  );
  return { ...state, parameters, ...moments, records };
}
