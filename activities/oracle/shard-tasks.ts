/** The questions of one shard: pass 1 asks about every pair, or what a cheaper model got wrong; pass 2 corrects. */
import type { PresentedPair } from '../../judge/pair.js';
import { buildPrompt } from '../../judge/prompt/build.js';
import { hintMessages } from '../../judge/prompt/hint.js';
import type { Recipe } from '../../recipes/schema.js';
import { UserError } from '../../workflows/errors.js';
import type { ArtifactRef } from '../artifacts/ref.js';
import type { ArtifactStore } from '../artifacts/store.js';
import { readPairLines } from '../dataset/pair-lines.js';
import type { OracleShardInput } from '../interface.js';
import { questionKey, type OracleQuestion } from './answer-cache.js';
import { isCorrectable, type OracleJudgement } from './judgement.js';

export interface Task {
  shown: PresentedPair;
  question: OracleQuestion;
  key: string;
}

/** The model of a pass: B corrects what A got wrong; without a B, A does. */
export function modelOfPass(oracle: Recipe['oracle'], pass: 1 | 2): string {
  return pass === 1 ? oracle.model : (oracle.correctionModel ?? oracle.model);
}

/** What is asked about one pair; `flawed` is the judgement that pass 2 corrects. */
export function questionOf(
  { oracle, promptVersion }: Pick<OracleShardInput, 'oracle' | 'promptVersion'>,
  shown: PresentedPair,
  flawed?: string,
): OracleQuestion {
  return {
    model: modelOfPass(oracle, flawed === undefined ? 1 : 2),
    messages:
      flawed === undefined ? buildPrompt(promptVersion, shown) : hintMessages(promptVersion, shown, flawed),
    temperature: oracle.temperature,
    maxTokens: oracle.maxTokens,
    sample: 0,
  };
}

export async function shardTasks(store: ArtifactStore, input: OracleShardInput): Promise<Task[]> {
  const shown = await readPairLines(store, input.pairs, input.from, input.to);
  if (input.pass === 1) {
    const wrong = input.firstPass && (await wrongIn(store, input.firstPass));
    const asked = wrong ? shown.filter(({ pair }) => wrong.has(pair.id)) : shown;
    return asked.map((pair) => taskOf(pair, questionOf(input, pair)));
  }
  if (!input.firstPass) throw new UserError('InvalidInput', 'Pass 2 needs the answers of pass 1.');
  const flawed = new Map<string, string>();
  for await (const line of store.openLines(input.firstPass)) {
    const judgement = line as OracleJudgement;
    if (isCorrectable(judgement)) flawed.set(judgement.pairId, judgement.text);
  }
  return shown.flatMap((pair) => {
    const text = flawed.get(pair.pair.id);
    return text === undefined ? [] : [taskOf(pair, questionOf(input, pair, text))];
  });
}

async function wrongIn(store: ArtifactStore, answers: ArtifactRef): Promise<Set<string>> {
  const wrong = new Set<string>();
  for await (const line of store.openLines(answers)) {
    const { pairId, agreed } = line as OracleJudgement;
    if (!agreed) wrong.add(pairId);
  }
  return wrong;
}

export function taskOf(shown: PresentedPair, question: OracleQuestion): Task {
  return { shown, question, key: questionKey(question) };
}
