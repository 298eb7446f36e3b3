/**
 * `evaluate` against a bare loop on the same endpoint: the same questions, the same number in flight, no workflow, no
 * store. The endpoint is the local oracle with a fixed latency, in a process of its own. Rounds alternate; each asks for
 * samples of a seed of its own, because a judgement that was made is never made again.
 */
import OpenAI from 'openai';
import { mapLimit } from '../activities/artifacts/map-limit.js';
import type { StageOutcome } from '../activities/stage-outcome.js';
import { goldPosition, itemKey, type BenchmarkItem } from '../benchmarks/index.js';
import { buildPrompt } from '../judge/prompt/build.js';
import { temporalConfig } from '../temporal.config.js';
import { TestMachine } from '../test/support/machine.js';
import { generateWorld } from '../world/index.js';
import type { BenchmarkInput } from '../workflows/benchmark-input.js';
import { type BenchResult, machine, median, versions } from './result.js';

const ROUNDS = 3;
const ITEMS = 3000;
const LATENCY_MS = 500;
const IN_FLIGHT = 32;
const MODEL = 'world-oracle-a';

export async function run(): Promise<BenchResult[]> {
  const host = await TestMachine.start();
  const ours: number[] = [];
  const peer: number[] = [];
  try {
    await host.startWorker();
    const oracle = await host.startOracle(['--latency-ms', String(LATENCY_MS)]);
    const items = worldItems();
    const stored = await host.store.putLines('items', items);
    for (let round = 0; round < ROUNDS; round++) {
      peer.push(await bareLoop(oracle.baseUrl, items, 100 + round));
      const input: BenchmarkInput = {
        benchmark: 'rewardbench',
        data: { items: stored, count: items.length, source: 'world', sha256: stored.sha256 },
        judge: { kind: 'openai', model: MODEL, baseUrl: oracle.baseUrl, concurrency: IN_FLIGHT },
        sampling: { temperature: 1, maxTokens: 512, seed: 100 + round },
      };
      const began = performance.now();
      const outcome = (await (
        await host.start('evaluate', input, `bench-evaluate-${round}`)
      ).result()) as unknown;
      ours.push(ITEMS / ((performance.now() - began) / 1000));
      if ((outcome as StageOutcome).metrics['judgements'] !== ITEMS)
        throw new Error('Not all items were judged.');
    }
  } finally {
    await host.stop();
  }
  return [
    {
      name: 'evaluate',
      case: `${ITEMS} items, ${IN_FLIGHT} in flight, ${LATENCY_MS} ms an answer`,
      ratio: median(ours.map((rate, round) => rate / peer[round]!)),
      goal: 0.95,
      ours: median(ours),
      peer: median(peer),
      unit: 'items/s',
      runs: { ours, peer },
      machine: machine(),
      versions: versions({ queue: temporalConfig.taskQueues.oracle }),
    },
  ];
}

function worldItems(): BenchmarkItem[] {
  const { train } = generateWorld({ seed: 3, train: ITEMS, validation: 1, test: 1 });
  return train.map(({ conversation, chosen, rejected }, index) => {
    const identity = { benchmark: 'rewardbench' as const, subset: 'alpacaeval-easy', id: String(index) };
    return { ...identity, key: itemKey(identity), conversation, chosen, rejected };
  });
}

/** Items a second of a loop that keeps nothing. */
async function bareLoop(baseURL: string, items: readonly BenchmarkItem[], seed: number): Promise<number> {
  const client = new OpenAI({ baseURL, apiKey: 'none', maxRetries: 0 });
  const began = performance.now();
  await mapLimit(items, IN_FLIGHT, async ({ key, conversation, chosen, rejected }) => {
    const gold = goldPosition(key, 0);
    const [answerA, answerB] = gold === 'A' ? [chosen, rejected] : [rejected, chosen];
    const pair = { id: '', conversation, chosen: '', rejected: '', category: '' };
    await client.chat.completions.create({
      model: MODEL,
      messages: buildPrompt('cor-v1', { pair, answerA, answerB, gold }),
      temperature: 1,
      top_p: 1,
      max_tokens: 512,
      seed,
    });
  });
  return items.length / ((performance.now() - began) / 1000);
}
