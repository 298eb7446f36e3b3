/** The files the trainer reads: SFT samples from traces, GRPO prompts from pairs. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createHash } from 'node:crypto';
import type { GrpoPrompt, PreferenceSample, SupervisedSample } from '../../engine/job.js';
import type { Recipe } from '../../recipes/schema.js';
import { UserError } from '../../workflows/errors.js';
import type { ArtifactRef } from '../artifacts/ref.js';
import type { ArtifactStore } from '../artifacts/store.js';
import { readPairLines } from '../dataset/pair-lines.js';
import type { IoActivities } from '../interface.js';
import type { Trace } from '../oracle/filter-traces.js';
import { selector } from '../oracle/select-pairs.js';
import { StudentPrompts } from './student-prompt.js';

/** Traces as prompt and completion. Those longer than the model's context are left out: cutting one would cut its verdict. */
export async function buildSftSet(
  store: ArtifactStore,
  { recipe, tokenizer, traces }: Parameters<IoActivities['buildSftSet']>[0],
): Promise<ArtifactRef> {
  return withTokenizer(store, tokenizer, recipe, async (prompts) => {
    const { maxLength } = recipe.base.architecture;
    const samples: SupervisedSample[] = [];
    for await (const line of store.openLines(traces)) {
      const { pairId, text, shown } = line as Trace;
      const prompt = prompts.render(shown);
      if (prompts.tokens(prompt) + prompts.tokens(text) + 1 <= maxLength) {
        samples.push({ id: pairId, prompt, completion: text });
      }
    }
    if (samples.length === 0) {
      throw new UserError(
        'NoTraces',
        `Every trace is longer than the model's context of ${maxLength} tokens: raise base.architecture.maxLength or ask the oracle for shorter judgements.`,
      );
    }
    return store.putLines('samples', samples);
  });
}

/** Prompts for rollouts, in a seeded order; `grpo.reasoningShare` sets how many come from reasoning categories. */
export async function buildRlPrompts(
  store: ArtifactStore,
  { recipe, seed, tokenizer, pairs }: Parameters<IoActivities['buildRlPrompts']>[0],
): Promise<ArtifactRef> {
  return withTokenizer(store, tokenizer, recipe, async (prompts) => {
    const { reasoningShare, steps, promptsPerStep } = recipe.grpo;
    const all = await readPairLines(store, pairs);
    // The distilled pairs are known by heart; they serve again only where the data holds no others (RM-R1 splits alike).
    const distilled = selector(recipe.distill);
    const fresh = recipe.coldStart ? all : all.filter((presented) => !distilled(presented));
    const shown = fresh.length > 0 ? fresh : all;
    const shuffled = shown
      .map((presented) => ({ presented, order: hash(`rl/${seed}/${presented.pair.id}`) }))
      .sort((a, b) => (a.order < b.order ? -1 : 1))
      .map(({ presented }) => presented);
    const isReasoning = (category: string) => category.toLowerCase().startsWith('reasoning');
    const reasoning = shuffled.filter(({ pair }) => isReasoning(pair.category));
    const chat = shuffled.filter(({ pair }) => !isReasoning(pair.category));
    const chosen =
      reasoningShare === undefined || reasoning.length === 0 || chat.length === 0
        ? shuffled
        : interleave(reasoning, chat, reasoningShare);
    const lines: GrpoPrompt[] = chosen.slice(0, steps * promptsPerStep).map((presented) => ({
      id: presented.pair.id,
      prompt: prompts.render(presented),
      gold: presented.gold,
    }));
    return store.putLines('samples', lines);
  });
}

/** Pairs for a reward model, each answer after the conversation itself. Those longer than the context are left out. */
export async function buildRewardSet(
  store: ArtifactStore,
  { recipe, tokenizer, pairs }: Parameters<IoActivities['buildRewardSet']>[0],
): Promise<ArtifactRef> {
  return withTokenizer(store, tokenizer, recipe, async (prompts) => {
    const { maxLength } = recipe.base.architecture;
    const lines: PreferenceSample[] = [];
    for (const { pair } of await readPairLines(store, pairs, 0, recipe.reward?.pairs)) {
      const prompt = prompts.conversation(pair.conversation);
      const { id, chosen, rejected } = pair;
      const longest = Math.max(prompts.tokens(chosen), prompts.tokens(rejected));
      if (prompts.tokens(prompt) + longest + 1 <= maxLength) lines.push({ id, prompt, chosen, rejected });
    }
    if (lines.length === 0) {
      throw new UserError(
        'BadData',
        `Every pair is longer than the model's context of ${maxLength} tokens: raise base.architecture.maxLength or give shorter pairs.`,
      );
    }
    return store.putLines('samples', lines);
  });
}

/** Draw from both lists so that every stretch has `share` of the first, until one of them is used up. */
export function interleave<T>(first: T[], second: T[], share: number): T[] {
  const mixed: T[] = [];
  let fromFirst = 0;
  let fromSecond = 0;
  for (;;) {
    const takeFirst = fromFirst < share * (mixed.length + 1) - 1e-9;
    const next = takeFirst ? first[fromFirst++] : second[fromSecond++];
    if (next === undefined) return mixed;
    mixed.push(next);
  }
}

async function withTokenizer<T>(
  store: ArtifactStore,
  ref: ArtifactRef,
  recipe: Recipe,
  use: (prompts: StudentPrompts) => Promise<T>,
): Promise<T> {
  const dir = await mkdtemp(join(tmpdir(), 'rmr1-tokenizer-'));
  try {
    await store.fetchDirectory(ref, dir);
    return await use(new StudentPrompts(dir, recipe.promptVersion));
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

function hash(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
