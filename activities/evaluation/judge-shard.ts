/** Judge a shard of pairs with a local model: greedy, each pair in both orders. */
import { Context } from '@temporalio/activity';
import type { Client } from '@temporalio/client';
import { createHash } from 'node:crypto';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Judgement } from '../../benchmarks/judgement.js';
import type { GenerateJob, GenerationOutput, GenerationPrompt } from '../../engine/job.js';
import { homeDirectory } from '../../infra/environment.js';
import { type Position, type PresentedPair, present } from '../../judge/pair.js';
import { parseVerdict } from '../../judge/verdict.js';
import type { ArtifactStore } from '../artifacts/store.js';
import { readPairLines } from '../dataset/pair-lines.js';
import type { JudgeShardInput, JudgeShardResult } from '../interface.js';
import { startEngine } from '../training/engine-process.js';
import { FiguresReporter } from '../training/figures.js';
import { StudentPrompts } from '../training/student-prompt.js';

const BOTH_ORDERS: Position[] = ['A', 'B'];

/** @throws UserError `TrainerLost` (retried from the start of the shard), `TrainerRefused`; StoreError. */
export async function judgeShard(
  store: ArtifactStore,
  client: Client,
  input: JudgeShardInput,
): Promise<JudgeShardResult> {
  const { recipe, context } = input;
  const signal = Context.current().cancellationSignal;
  const reporter = new FiguresReporter('evaluate', client, context.notify);
  const { workflowExecution, activityId, attempt } = Context.current().info;
  const unique = createHash('sha256')
    .update(`${workflowExecution?.runId}/${activityId}/${attempt}`)
    .digest('hex');
  const dir = join(homeDirectory(), 'work', `evaluate-${unique.slice(0, 16)}`);
  try {
    await mkdir(dir, { recursive: true });
    const modelDir = join(dir, 'model');
    await store.fetchDirectory(input.model, modelDir);
    const prompts = new StudentPrompts(modelDir, recipe.promptVersion);
    const pairs = await readPairLines(store, input.pairs, input.from, input.to);
    const shown = pairs.flatMap(({ pair }) => BOTH_ORDERS.map((gold) => present(pair, gold)));
    const lines = shown.map(
      (item) => ({ id: itemId(item), prompt: prompts.render(item) }) satisfies GenerationPrompt,
    );
    if (lines.length === 0) {
      return {
        status: 'done',
        judgements: await store.putLines('verdicts', []),
        pairs: 0,
        tokens: 0,
        seconds: 0,
      };
    }
    await writeFile(join(dir, 'prompts.jsonl'), lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
    const job: GenerateJob = {
      kind: 'generate',
      seed: 0,
      model: { from: 'directory', path: modelDir },
      data: join(dir, 'prompts.jsonl'),
      outputDir: join(dir, 'out'),
      threads: recipe.threads,
      temperature: 0,
      samples: 1,
      batchSize: recipe.evaluate.batchSize,
      maxPromptTokens: recipe.base.architecture.maxLength - recipe.evaluate.maxNewTokens,
      maxNewTokens: recipe.evaluate.maxNewTokens,
    };
    const began = Date.now();
    const engine = await startEngine(job, dir, (event) => reporter.take(event));
    if (signal.aborted) engine.stop();
    signal.addEventListener('abort', engine.stop, { once: true });
    const end = await engine.ended;
    if (end.status === 'preempted') return { status: 'preempted', step: reporter.step };

    const text = await readFile(join(end.dir, 'outputs.jsonl'), 'utf8');
    const outputs = text
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line) as GenerationOutput);
    const judgements = shown.map((item, index) => toJudgement(item, lines[index]!.prompt, outputs[index]!));
    return {
      status: 'done',
      judgements: await store.putLines('verdicts', judgements),
      pairs: pairs.length,
      tokens: outputs.reduce((sum, { tokens }) => sum + tokens, 0),
      seconds: (Date.now() - began) / 1000,
    };
  } finally {
    reporter.stop();
    await rm(dir, { recursive: true, force: true });
  }
}

function itemId({ pair, gold }: PresentedPair): string {
  return `${pair.id}/${gold}`;
}

function toJudgement(item: PresentedPair, prompt: string, output: GenerationOutput): Judgement {
  if (output.id !== itemId(item))
    throw new Error(`Output '${output.id}' does not answer item '${itemId(item)}'.`);
  const { pair, gold } = item;
  return {
    pairId: pair.id,
    category: pair.category,
    gold,
    verdict: parseVerdict(output.text),
    ...(pair.styles ? { styles: pair.styles } : {}),
    ...(pair.group ? { group: pair.group } : {}),
    promptSha256: createHash('sha256').update(prompt).digest('hex'),
    text: output.text,
    tokens: output.tokens,
    finished: output.finished,
  };
}
