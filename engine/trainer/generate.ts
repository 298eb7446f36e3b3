/** The job `generate`: completions of every prompt of a file. */
import { mkdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { writeDurably } from '../checkpoint/files.js';
import { crashPoint } from '../crash-point.js';
import { readGenerationPrompts } from '../data/prompts.js';
import { hashId } from '../data/random.js';
import type { GenerateJob, GenerationOutput } from '../job.js';
import { providerOf } from '../onnx/device.js';
import { Decoder, type Completion } from '../rollout/decoder.js';
import type { EngineIo, JobEnd } from './io.js';
import { loadSourceModel } from './source-model.js';

/** Prompts taken at once: enough to fill batches of similar length. */
const PORTION = 1024;

/** Thrown to leave the decoder between two batches. */
class Stopped extends Error {}

/**
 * Write `outputs.jsonl`, one line per prompt and sample in input order, whole or not at all. The same job gives the
 * same bytes whatever its `batchSize`.
 */
export async function runGenerate(job: GenerateJob, io: EngineIo): Promise<JobEnd> {
  const { layout, parameters, tokenizer } = loadSourceModel(job);
  const prompts = readGenerationPrompts(job.data, tokenizer, job.maxPromptTokens);
  const total = prompts.length * job.samples;
  io.emit({ type: 'started', totalSteps: total, resumedAt: 0, parameters: layout.size });
  await crashPoint('engine.before-first-step');
  const decoder = new Decoder({ layout }, job.threads, await providerOf(job.device));
  const settings = {
    samples: job.samples,
    temperature: job.temperature,
    topP: job.topP,
    maxNewTokens: job.maxNewTokens,
    batchSize: job.batchSize,
    seed: job.seed,
    step: 0,
    stops: [tokenizer.endOfText],
  };
  const lines: string[] = [];
  const began = performance.now();
  let tokensBefore = 0;
  try {
    await decoder.hold({ parameters });
    for (let from = 0; from < prompts.length; from += PORTION) {
      const portion = prompts.slice(from, from + PORTION);
      const completions = await decoder.generate(
        { parameters },
        portion.map(({ id, tokens }) => ({ tokens, key: hashId(id) })),
        settings,
        (done, tokens) => {
          const tokensPerSecond = Math.round(((tokensBefore + tokens) * 1000) / (performance.now() - began));
          io.emit({ type: 'generated', done: from * job.samples + done, total, tokensPerSecond });
          if (io.stopRequested && from * job.samples + done < total) throw new Stopped();
        },
      );
      for (const completion of completions) {
        const { id, tokens } = portion[completion.prompt]!;
        lines.push(outputLine(id, tokens.length, completion, tokenizer.decode(completion.tokens)));
        tokensBefore += completion.tokens.length;
      }
    }
  } catch (error) {
    if (error instanceof Stopped) return 'preempted';
    throw error;
  } finally {
    await decoder.release();
  }
  mkdirSync(job.outputDir, { recursive: true });
  const path = join(job.outputDir, 'outputs.jsonl');
  writeDurably(`${path}.writing`, lines.join(''));
  renameSync(`${path}.writing`, path);
  io.emit({ type: 'done', step: total, dir: job.outputDir });
  return 'done';
}

function outputLine(id: string, promptTokens: number, completion: Completion, text: string): string {
  const { sample, tokens, finished } = completion;
  const output: GenerationOutput = { id, sample, text, promptTokens, tokens: tokens.length, finished };
  return `${JSON.stringify(output)}\n`;
}
