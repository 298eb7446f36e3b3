/** Greedy generation with llama.cpp through node-llama-cpp; run where that package is installed, see `contender.ts`. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { serveContender } from './serve-contender.js';

interface Request {
  /** A GGUF file. */
  model: string;
  threads: number;
  prompts: number[][];
  newTokens: number;
}

/** What is used of node-llama-cpp, which is not a dependency of this project. */
interface Sequence {
  clearHistory: () => Promise<void>;
  evaluate: (tokens: number[], options: object) => AsyncGenerator<number, void, void>;
}
interface Library {
  LlamaLogLevel: { error: string };
  getLlama: (options: object) => Promise<{
    llamaCppRelease: { release: string };
    loadModel: (options: object) => Promise<{
      createContext: (options: object) => Promise<{ getSequence: () => Sequence }>;
    }>;
  }>;
}

await serveContender(async ({ model: modelPath, threads, prompts, newTokens }: Request) => {
  const require = createRequire(join(process.cwd(), 'package.json'));
  const library = (await import(pathToFileURL(require.resolve('node-llama-cpp')).href)) as Library;
  const llama = await library.getLlama({
    build: 'never',
    gpu: false,
    maxThreads: threads,
    logLevel: library.LlamaLogLevel.error,
    progressLogs: false,
  });
  const model = await llama.loadModel({ modelPath, useMmap: false });
  const context = await model.createContext({
    contextSize: prompts[0]!.length + newTokens + 8,
    sequences: prompts.length,
    batchSize: 512,
    threads,
  });
  const sequences = prompts.map(() => context.getSequence());
  const complete = async (sequence: Sequence, prompt: number[]): Promise<number[]> => {
    await sequence.clearHistory();
    const tokens: number[] = [];
    // End of text does not end it, so that every completion has its full length.
    for await (const token of sequence.evaluate(prompt, { temperature: 0, yieldEogToken: true })) {
      tokens.push(token);
      if (tokens.length === newTokens) break;
    }
    return tokens;
  };
  const manifest = readFileSync(
    join(process.cwd(), 'node_modules', 'node-llama-cpp', 'package.json'),
    'utf8',
  );
  const { version } = JSON.parse(manifest) as { version: string };
  return {
    versions: { 'node-llama-cpp': version, 'llama.cpp': llama.llamaCppRelease.release },
    work: async (count) => {
      let tokens: number[][] = [];
      for (let i = 0; i < count; i += 1)
        tokens = await Promise.all(sequences.map((sequence, row) => complete(sequence, prompts[row]!)));
      return { tokens: tokens[0]! };
    },
  };
});
