/** Greedy generation with transformers.js; run where that package is installed, see `contender.ts`. */
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { serveContender } from './serve-contender.js';

interface Request {
  /** A directory with `onnx/model.onnx`. */
  model: string;
  threads: number;
  prompts: number[][];
  newTokens: number;
}

/** What is used of transformers.js, which is not a dependency of this project. */
interface Library {
  env: { version: string; localModelPath: string; allowRemoteModels: boolean };
  Tensor: new (type: string, data: BigInt64Array, dims: number[]) => object;
  AutoModelForCausalLM: {
    from_pretrained: (
      name: string,
      options: object,
    ) => Promise<{ generate: (options: object) => Promise<{ tolist: () => bigint[][] }> }>;
  };
}

await serveContender(async ({ model: directory, threads, prompts, newTokens }: Request) => {
  const require = createRequire(join(process.cwd(), 'package.json'));
  const library = (await import(pathToFileURL(require.resolve('@huggingface/transformers')).href)) as Library;
  library.env.localModelPath = dirname(directory);
  library.env.allowRemoteModels = false;
  const model = await library.AutoModelForCausalLM.from_pretrained(basename(directory), {
    dtype: 'fp32',
    device: 'cpu',
    local_files_only: true,
    session_options: { intraOpNumThreads: threads, interOpNumThreads: 1 },
  });
  const shape = [prompts.length, prompts[0]!.length];
  const tensor = (values: bigint[]) => new library.Tensor('int64', BigInt64Array.from(values), shape);
  const inputs = {
    input_ids: tensor(prompts.flat().map(BigInt)),
    attention_mask: tensor(prompts.flat().map(() => 1n)),
    max_new_tokens: newTokens,
    // No end of text before the full length.
    min_new_tokens: newTokens,
    do_sample: false,
  };
  return {
    versions: { '@huggingface/transformers': library.env.version },
    work: async (count) => {
      let rows: bigint[][] = [];
      for (let i = 0; i < count; i += 1) rows = (await model.generate(inputs)).tolist();
      return { tokens: rows[0]!.slice(shape[1]).map(Number) };
    },
  };
});
