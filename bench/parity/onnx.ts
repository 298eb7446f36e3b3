/** The exported ONNX judge in Python's onnxruntime: the same greedy judgements as here. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readModelDirectory } from '../../engine/checkpoint/model-directory.js';
import { hashId } from '../../engine/data/random.js';
import { readGenerationPrompts } from '../../engine/data/prompts.js';
import { ONNX_FILE, writeOnnxDirectory } from '../../engine/export/onnx-directory.js';
import { Decoder } from '../../engine/rollout/decoder.js';
import type { BenchResult } from '../result.js';
import { distanceResult } from './distance.js';
import { askPython } from './python.js';
import { COMPLETION_TOKENS, PROMPT_TOKENS, trainedSmallModel, writeVerdicts } from './small-judge.js';

interface Answer {
  judgements: { tokens: number[]; logps: number[] }[];
  versions: Record<string, string>;
}

/** @throws where a judgement has other tokens */
export async function onnxParity(python: string): Promise<BenchResult[]> {
  const work = mkdtempSync(join(tmpdir(), 'rmr1-parity-'));
  try {
    const data = writeVerdicts(work);
    const dir = await trainedSmallModel(work, data);
    const model = readModelDirectory(dir);
    const { tokenizer, layout, parameters } = model;
    writeOnnxDirectory(join(work, 'onnx-judge'), dir, model);
    const prompts = readGenerationPrompts(data, tokenizer, PROMPT_TOKENS);
    const decoder = new Decoder({ layout }, 1);
    const ours = await decoder.generate(
      { parameters },
      prompts.map(({ id, tokens }) => ({ tokens, key: hashId(id) })),
      {
        samples: 1,
        temperature: 0,
        maxNewTokens: COMPLETION_TOKENS,
        batchSize: prompts.length,
        seed: 0,
        step: 0,
        stops: [tokenizer.endOfText],
      },
    );
    await decoder.release();
    const { judgements, versions } = (await askPython(python, 'judge_onnx.py', {
      file: join(work, 'onnx-judge', ONNX_FILE),
      prompts: prompts.map(({ tokens }) => tokens),
      end: tokenizer.endOfText,
      maxNewTokens: COMPLETION_TOKENS,
    })) as Answer;
    const distances = ours.flatMap(({ tokens, logps }, i) => {
      if ([...tokens].join() !== judgements[i]!.tokens.join())
        throw new Error(`judgement ${i} has other tokens in Python's onnxruntime`);
      return judgements[i]!.logps.map((logp, t) => Math.abs(logp - logps[t]!));
    });
    const which = `ONNX judge in Python's onnxruntime, ${ours.length} greedy judgements, the same tokens`;
    return [distanceResult(which, 'largest difference of a log-probability', distances, versions)];
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}
