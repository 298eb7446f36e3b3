/** Ask a judge about pairs: the engine generates in a child process, greedily. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startEngine } from '../../activities/training/engine-process.js';
import { StudentPrompts } from '../../activities/training/student-prompt.js';
import type { GenerationOutput, GenerationPrompt } from '../../engine/job.js';
import type { PresentedPair } from '../../judge/pair.js';
import { parseVerdict, type Verdict } from '../../judge/verdict.js';
import { ClientError } from '../errors.js';
import type { JudgeModel } from './judge-model.js';

export interface Opinion {
  /** The judge's whole output. */
  text: string;
  verdict: Verdict;
  tokens: number;
  /** False where the token limit cut the output. */
  finished: boolean;
}

const BATCH_SIZE = 64;
const THREADS = 2;

/**
 * One opinion for each item, in order.
 * @throws ClientError `Usage` where a prompt leaves no room for a judgement; UserError from the engine.
 */
export async function ask(
  model: JudgeModel,
  items: readonly PresentedPair[],
  { signal }: { signal?: AbortSignal } = {},
): Promise<Opinion[]> {
  const prompts = new StudentPrompts(model.dir, model.promptVersion);
  const maxPromptTokens = model.maxLength - model.maxNewTokens;
  const lines = items.map((item, index): GenerationPrompt => {
    const prompt = prompts.render(item);
    const tokens = prompts.tokens(prompt);
    if (tokens > maxPromptTokens) {
      throw new ClientError(
        'Usage',
        `Pair '${item.pair.id}' is ${tokens} tokens long; this judge reads ${maxPromptTokens} and writes ${model.maxNewTokens}. ` +
          'Shorten it, or lower --max-new-tokens.',
      );
    }
    return { id: String(index), prompt };
  });
  const dir = await mkdtemp(join(tmpdir(), 'rmr1-judge-'));
  try {
    const data = join(dir, 'prompts.jsonl');
    await writeFile(data, lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
    const engine = await startEngine(
      {
        kind: 'generate',
        seed: 0,
        model: { from: 'directory', path: model.dir },
        data,
        outputDir: join(dir, 'out'),
        threads: THREADS,
        temperature: 0,
        samples: 1,
        batchSize: BATCH_SIZE,
        maxPromptTokens,
        maxNewTokens: model.maxNewTokens,
      },
      dir,
      () => undefined,
    );
    signal?.addEventListener('abort', () => engine.stop(), { once: true });
    const end = await engine.ended;
    if (end.status === 'preempted')
      throw new ClientError('Interrupted', 'Interrupted before all pairs were judged.');
    const outputs = (await readFile(join(end.dir, 'outputs.jsonl'), 'utf8')).split('\n').filter(Boolean);
    return outputs.map((line) => {
      const { text, tokens, finished } = JSON.parse(line) as GenerationOutput;
      return { text, verdict: parseVerdict(text), tokens, finished };
    });
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}
