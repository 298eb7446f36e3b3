/** Judgements written by a local model about pairs, by a run of the engine. */
import { Context } from '@temporalio/activity';
import { createHash } from 'node:crypto';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { GenerateJob, GenerationOutput } from '../../engine/job.js';
import { homeDirectory } from '../../infra/environment.js';
import type { PresentedPair } from '../../judge/pair.js';
import type { Recipe } from '../../recipes/schema.js';
import type { ArtifactRef } from '../artifacts/ref.js';
import type { ArtifactStore } from '../artifacts/store.js';
import { startEngine } from './engine-process.js';
import type { FiguresReporter } from './figures.js';
import { StudentPrompts } from './student-prompt.js';

export interface GenerationRequest {
  /** Begins the name of the directory of work. */
  purpose: string;
  model: ArtifactRef;
  recipe: Recipe;
  shown: readonly PresentedPair[];
  /** 0 is greedy. */
  temperature: number;
  /** Judgements of each pair. */
  samples: number;
  seed: number;
  /** Pairs that do not fit the model's context come back without outputs; otherwise they are an error. */
  skipLong?: boolean;
}

/** The judgements of one pair, in the order of their samples. */
export interface Generated {
  item: PresentedPair;
  prompt: string;
  outputs: GenerationOutput[];
}

/**
 * Undefined where the engine was preempted: nothing of its work is kept.
 * @throws UserError `TrainerLost` (retried from the start), `TrainerRefused`; StoreError.
 */
export async function generate(
  store: ArtifactStore,
  { purpose, model, recipe, shown, temperature, samples, seed, skipLong = false }: GenerationRequest,
  reporter: FiguresReporter,
): Promise<Generated[] | undefined> {
  const signal = Context.current().cancellationSignal;
  const { workflowExecution, activityId, attempt } = Context.current().info;
  const unique = createHash('sha256')
    .update(`${workflowExecution?.runId}/${activityId}/${attempt}`)
    .digest('hex');
  const dir = join(homeDirectory(), 'work', `${purpose}-${unique.slice(0, 16)}`);
  try {
    await mkdir(dir, { recursive: true });
    const modelDir = join(dir, 'model');
    await store.fetchDirectory(model, modelDir);
    const prompts = new StudentPrompts(modelDir, recipe.promptVersion);
    const lines = shown.map((item) => ({ id: itemId(item), prompt: prompts.render(item) }));
    const { maxNewTokens, batchSize } = recipe.evaluate;
    const maxPromptTokens = recipe.base.architecture.maxLength - maxNewTokens;
    const asked = skipLong ? lines.filter(({ prompt }) => prompts.tokens(prompt) <= maxPromptTokens) : lines;
    if (asked.length === 0)
      return shown.map((item, index) => ({ item, prompt: lines[index]!.prompt, outputs: [] }));
    await writeFile(join(dir, 'prompts.jsonl'), asked.map((line) => `${JSON.stringify(line)}\n`).join(''));
    const job: GenerateJob = {
      kind: 'generate',
      seed,
      model: { from: 'directory', path: modelDir },
      data: join(dir, 'prompts.jsonl'),
      outputDir: join(dir, 'out'),
      threads: recipe.threads,
      temperature,
      samples,
      batchSize,
      maxPromptTokens,
      maxNewTokens,
    };
    const engine = await startEngine(job, dir, (event) => reporter.take(event));
    if (signal.aborted) engine.stop();
    signal.addEventListener('abort', engine.stop, { once: true });
    const end = await engine.ended;
    if (end.status === 'preempted') return undefined;

    const byItem = new Map<string, GenerationOutput[]>(asked.map(({ id }) => [id, []]));
    for (const line of (await readFile(join(end.dir, 'outputs.jsonl'), 'utf8')).split('\n')) {
      if (line === '') continue;
      const output = JSON.parse(line) as GenerationOutput;
      byItem.get(output.id)?.push(output);
    }
    return shown.map((item, index) => {
      const { id, prompt } = lines[index]!;
      const outputs = byItem.get(id);
      if (outputs && outputs.length !== samples)
        throw new Error(`Item '${id}' has ${outputs.length} of ${samples} outputs.`);
      return { item, prompt, outputs: (outputs ?? []).sort((a, b) => a.sample - b.sample) };
    });
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

function itemId({ pair, gold }: PresentedPair): string {
  return `${pair.id}/${gold}`;
}
