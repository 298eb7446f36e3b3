/** The identity of a training job: everything that decides its result, and nothing that does not. */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { TrainingJob } from '../job.js';
import { sha256File } from '../checkpoint/files.js';
import { WEIGHTS_FILE } from '../checkpoint/model-directory.js';
import { TOKENIZER_FILES } from '../tokenizer/tokenizer.js';

/** Raised whenever the same job would give other bits than before. */
const NUMERICS_VERSION = 1;

/** JSON with sorted keys, so that the order of fields does not count. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_, part: unknown) =>
    typeof part === 'object' && part !== null && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  );
}

/** The weights file, or the shards and their index. */
function weightFiles(dir: string): string[] {
  if (existsSync(join(dir, WEIGHTS_FILE)) || !existsSync(dir)) return [WEIGHTS_FILE];
  return readdirSync(dir).filter((name) => /\.safetensors(\.index\.json)?$/.test(name));
}

function hashFiles(dir: string, names: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    names
      .filter((name) => existsSync(join(dir, name)))
      .map((name) => [name, sha256File(join(dir, name), name)]),
  );
}

/**
 * SHA-256 in hex of a job's settings and the content of the files it reads. Paths, threads and how often checkpoints
 * are written change nothing; a checkpoint may be resumed elsewhere, with other values of these.
 */
export function jobFingerprint(job: TrainingJob): string {
  const {
    outputDir: _,
    resumeFrom: __,
    threads: ___,
    checkpointEverySteps: ____,
    data,
    model,
    ...settings
  } = job;
  const source =
    model.from === 'directory'
      ? hashFiles(model.path, ['config.json', ...weightFiles(model.path), ...TOKENIZER_FILES])
      : { architecture: model.architecture, ...hashFiles(model.tokenizerDir, TOKENIZER_FILES) };
  const identity = {
    version: NUMERICS_VERSION,
    settings,
    model: source,
    data: sha256File(data, 'the data file'),
  };
  return createHash('sha256').update(canonical(identity)).digest('hex');
}
