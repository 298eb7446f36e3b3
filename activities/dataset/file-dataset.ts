/** The dataset of a recipe that trains on the user's own JSONL. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Pair } from '../../judge/pair.js';
import { present } from '../../judge/pair.js';
import type { Recipe, ScratchBase } from '../../recipes/schema.js';
import { UserError } from '../../workflows/errors.js';
import { TextTokenizer } from '../../engine/tokenizer/tokenizer.js';
import {
  readTokenizer,
  writeTokenizer,
  type TokenizerFiles,
} from '../../engine/tokenizer/tokenizer-files.js';
import { pretrainedDirectory } from '../pretrained/pretrained-model.js';
import { StudentPrompts } from '../training/student-prompt.js';
import { dropOverlong, firstInHashOrder, leakage, readPairs, splitPairs } from './index.js';
import { bytePairTokenizer } from './student-tokenizer.js';
import type { RawDataset } from './world-dataset.js';

/**
 * Read, check and split `path`, called `source` in messages; the tokenizer is learned from the training split only, or
 * is that of the pretrained base.
 * @throws BadDataError naming file, line and field.
 */
export async function fileDataset(
  recipe: Recipe,
  seed: number,
  path: string,
  source: string,
): Promise<RawDataset> {
  const { pairs: all, report } = await readPairs(path, { source });
  const { validationShare, testShare, maxPairs, maxTestPairs } = recipe.data;
  const pairs = maxPairs ? firstInHashOrder(all, maxPairs, seed) : all;
  const { duplicates: _, ...split } = splitPairs(pairs, { validationShare, testShare, seed, source });
  const leaks = leakage({ ...split });

  const tokenizer = await studentTokenizer(recipe, split.train);
  const fits = lengthCheck(recipe, tokenizer);
  const overlong: Record<string, number> = {};
  const keep = (name: keyof typeof split, most = Infinity): Pair[] => {
    const kept = dropOverlong(split[name], fits, `${source} (${name} split)`);
    overlong[name] = kept.overlong.length;
    return firstInHashOrder(kept.pairs, most, seed);
  };
  const splits = {
    train: keep('train'),
    validation: keep('validation', maxTestPairs),
    test: keep('test', maxTestPairs),
  };
  const documents =
    recipe.base.kind === 'pretrained' ? [] : repliesAsDocuments(recipe.base, seed, splits.train, tokenizer);
  return { splits, documents, tokenizer, report: { ...report, overlong, leakage: leaks } };
}

/** The pretrained model's own, or one learned from the training split. */
async function studentTokenizer({ base }: Recipe, train: Pair[]): Promise<TokenizerFiles> {
  if (base.kind === 'pretrained') return readTokenizer(await pretrainedDirectory(base.pretrained));
  const { tokenizer } = base;
  if (tokenizer.kind !== 'bpe') {
    throw new UserError(
      'InvalidInput',
      `base.tokenizer.kind: '${tokenizer.kind}' reads the preference world only; use 'bpe' for your own data.`,
    );
  }
  const texts = train.flatMap(({ conversation, chosen, rejected }) => [
    ...conversation.map(({ content }) => content),
    chosen,
    rejected,
  ]);
  return bytePairTokenizer(texts, tokenizer.vocabularySize);
}

/** Run `use` with the tokenizer in a directory, as the engine wants it. */
function withFiles<T>(tokenizer: TokenizerFiles, use: (dir: string) => T): T {
  const dir = mkdtempSync(join(tmpdir(), 'rmr1-tokenizer-'));
  try {
    writeTokenizer(dir, tokenizer);
    return use(dir);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

/** A pair fits if its prompt leaves room for the longest judgement the recipe allows. */
function lengthCheck(recipe: Recipe, tokenizer: TokenizerFiles) {
  const { maxLength } = recipe.base.architecture;
  const room = Math.max(recipe.grpo.maxNewTokens, recipe.evaluate.maxNewTokens);
  const prompts = withFiles(tokenizer, (dir) => new StudentPrompts(dir, recipe.promptVersion));
  return {
    maxTokens: maxLength - room,
    countTokens: (pair: Pair) =>
      Math.max(...(['A', 'B'] as const).map((gold) => prompts.tokens(prompts.render(present(pair, gold))))),
  };
}

/** The warm-up on real data: the replies themselves, preferred or not in turn, so that no preference is taught. */
function repliesAsDocuments(
  base: ScratchBase,
  seed: number,
  train: Pair[],
  tokenizer: TokenizerFiles,
): RawDataset['documents'] {
  const reader = withFiles(tokenizer, (dir) => TextTokenizer.load(dir));
  const { maxLength } = base.architecture;
  return firstInHashOrder(train, base.documents, seed)
    .map(({ id, conversation, chosen, rejected }, index) => ({
      id: `reply/${id}`,
      prompt: conversation.map(({ role, content }) => `<${role}> ${content}`).join(' '),
      completion: index % 2 === 0 ? chosen : rejected,
    }))
    .filter(({ prompt, completion }) => reader.encode(`${prompt}${completion}`).length + 8 <= maxLength);
}
