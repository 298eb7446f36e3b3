/** How a large run loads Temporal and S3: events, batches, looks, signals, checkpoints. Held against a simulation (test/slow/scale.test.ts). */
import type { Recipe } from '../schema.js';
import { adapterParameters, parameterCount, type DecoderShape } from './decoder-shape.js';

/** A distillation has no more shards than this (`activities/oracle/split-pairs.ts`). */
const MOST_SHARDS = 100;
/** Events of a shard with both passes, as measured (docs/lab-log.md: 1,197 of 100 shards). */
const EVENTS_A_SHARD = 12;
/** A look at a batch: a timer, an activity, the workflow tasks between them. */
const EVENTS_A_LOOK = 11;
/** Start and end of a stage, its plan, its outcome. */
const EVENTS_AROUND = 60;
/** A signal with the workflow task that takes it in (`activities/training/figures.ts`). */
const EVENTS_A_SIGNAL = 4;
/** First interval between signals in seconds, and the share of a stage's age that later ones are apart. */
const SIGNALS = { firstSeconds: 10, share: 0.02 };
/** Each look at a batch is so much later than the one before (`workflows/oracle-batch.ts`). */
const GROWTH = 1.6;

export interface ShardPlan {
  shards: number;
  pairsPerShard: number;
  /** Of the distillation's history, without pauses and corrections. */
  events: number;
}

/** Shards of a distillation, question by question. */
export function shardPlan({ pairs, shardSize }: Pick<Recipe['distill'], 'pairs' | 'shardSize'>): ShardPlan {
  const pairsPerShard = Math.max(shardSize, Math.ceil(pairs / MOST_SHARDS));
  const shards = Math.ceil(pairs / pairsPerShard);
  return { shards, pairsPerShard, events: EVENTS_AROUND + EVENTS_A_SHARD * shards };
}

/** Batches of `questions` requests of `bytes` each, within the recipe's limits. */
export function batchCount(
  questions: number,
  bytes: number,
  { maxRequests, maxBytes }: Pick<Recipe['oracle']['batch'], 'maxRequests' | 'maxBytes'>,
): number {
  const each = Math.max(1, Math.min(maxRequests, Math.floor(maxBytes / bytes)));
  return Math.ceil(questions / each);
}

/** Looks at a batch that takes `seconds`, and the events they leave in its own history. */
export function looksAt(
  seconds: number,
  {
    firstPollSeconds,
    lastPollSeconds,
  }: Pick<Recipe['oracle']['batch'], 'firstPollSeconds' | 'lastPollSeconds'>,
): { looks: number; events: number } {
  let looks = 1;
  let interval = Math.min(firstPollSeconds, lastPollSeconds);
  for (let at = interval; at < seconds; at += interval) {
    looks += 1;
    interval = Math.min(lastPollSeconds, interval * GROWTH);
  }
  return { looks, events: EVENTS_AROUND + EVENTS_A_LOOK * looks };
}

/** Signals with figures that a training stage of `seconds` sends to each workflow above it, and what they leave there. */
export function figureSignals(seconds: number): { signals: number; events: number } {
  const { firstSeconds, share } = SIGNALS;
  const turn = firstSeconds / share;
  const early = Math.min(seconds, turn) / firstSeconds;
  const late = seconds > turn ? Math.log(seconds / turn) / Math.log(1 + share) : 0;
  const signals = Math.ceil(early + late) + 1;
  return { signals, events: EVENTS_AROUND + EVENTS_A_SIGNAL * signals };
}

/** A checkpoint with float32 weights and both moments of Adam: 12 bytes a trained parameter. */
export function checkpointBytes(
  model: DecoderShape,
  lora?: { rank: number; targets: readonly string[] },
): number {
  return 12 * (lora ? adapterParameters(model, lora) : parameterCount(model));
}
