/**
 * Distillation against a bare loop of the `openai` client: the same questions, 64 in flight, the same oracle service.
 * Ours stores every answer before it counts, keeps the ledger and runs as a workflow. Rounds alternate. Then one
 * distillation of 100,000 pairs in both passes: length of the history, memory of the worker.
 */
import { readFileSync } from 'node:fs';
import OpenAI from 'openai';
import type { ArtifactRef } from '../activities/artifacts/ref.js';
import { mapLimit } from '../activities/artifacts/map-limit.js';
import type { Pair } from '../judge/pair.js';
import { present } from '../judge/pair.js';
import { buildPrompt } from '../judge/prompt/build.js';
import { TestMachine } from '../test/support/machine.js';
import { ledgerQuery } from '../workflows/messages.js';
import { type BenchResult, figure, machine, median, versions } from './result.js';

const IN_FLIGHT = 64;
const ROUNDS = 3;
const SCALE_PAIRS = 100_000;
const MAX_TOKENS = 256;
/**
 * Milliseconds that the service waits before it answers, and pairs a round. With none, both sides are bound by the
 * processor that they share with the service, the store and Temporal; half a second is a fast hosted model.
 */
const CASES = [
  { latencyMs: 0, pairs: 6_000 },
  { latencyMs: 500, pairs: 2_500 },
];

export async function run(): Promise<BenchResult[]> {
  const host = await TestMachine.start();
  try {
    const results: BenchResult[] = [];
    for (const { latencyMs, pairs } of CASES) results.push(await throughput(host, latencyMs, pairs));
    return [...results, ...(await scale(host))];
  } finally {
    await host.stop();
  }
}

async function throughput(host: TestMachine, latencyMs: number, count: number): Promise<BenchResult> {
  const oracle = await host.startOracle(['--latency-ms', String(latencyMs)]);
  await host.startWorker({ RMR1_ORACLE_URL: oracle.baseUrl, RMR1_HEARTBEAT_SECONDS: '30' });
  const ours: number[] = [];
  const peer: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const name = `latency-${latencyMs}-${round}`;
    peer.push(await bareLoop(oracle.baseUrl, await labelledPairs(oracle.baseUrl, `${name}-bare`, count)));
    const pairs = await labelledPairs(oracle.baseUrl, name, count);
    ours.push(count / (await distil(host, name, pairs, false)).askingSeconds);
  }
  await host.stopWorkers();
  return {
    name: 'oracle',
    case: `${IN_FLIGHT} in flight, service answers after ${latencyMs} ms`,
    ratio: median(ours.map((rate, round) => rate / peer[round]!)),
    goal: 0.95,
    ours: median(ours),
    peer: median(peer),
    unit: 'answers/s',
    runs: { ours, peer },
    machine: machine(),
    versions: versions(),
  };
}

/** @returns answers per second. */
async function bareLoop(baseURL: string, pairs: readonly Pair[]): Promise<number> {
  const client = new OpenAI({ baseURL, apiKey: 'local' });
  const began = performance.now();
  await mapLimit(pairs, IN_FLIGHT, async (pair, index) => {
    const messages = buildPrompt('cor-v1', present(pair, index % 2 === 0 ? 'A' : 'B'));
    const model = 'world-oracle-a';
    const { choices } = await client.chat.completions.create({
      model,
      messages,
      temperature: 0,
      max_tokens: MAX_TOKENS,
    });
    if (!choices[0]?.message.content) throw new Error('The oracle gave no answer.');
  });
  return pairs.length / ((performance.now() - began) / 1000);
}

async function scale(host: TestMachine): Promise<BenchResult[]> {
  const oracle = await host.startOracle();
  const worker = await host.startWorker({ RMR1_ORACLE_URL: oracle.baseUrl, RMR1_HEARTBEAT_SECONDS: '30' });
  let peakBytes = 0;
  const watch = setInterval(() => (peakBytes = Math.max(peakBytes, residentBytes(worker.pid))), 500);
  const began = performance.now();
  const pairs = await labelledPairs(oracle.baseUrl, 'scale', SCALE_PAIRS);
  const { events, calls } = await distil(host, 'scale', pairs, true).finally(() => clearInterval(watch));
  const seconds = (performance.now() - began) / 1000;
  const one = (which: string, value: number, unit: string) =>
    figure('oracle', `${SCALE_PAIRS} pairs, both passes: ${which}`, value, unit);
  return [
    one('whole stage', seconds, 's'),
    one('answers', calls, 'answers'),
    one('history', events, 'events'),
    one('peak memory of the worker', peakBytes / 2 ** 20, 'MiB'),
  ];
}

/** Distil `pairs` as a workflow of its own; the time from the first shard's start to the last one's end. */
async function distil(
  host: TestMachine,
  name: string,
  pairs: readonly Pair[],
  secondPass: boolean,
): Promise<{ askingSeconds: number; events: number; calls: number }> {
  const lines = pairs.map((pair, index) => ({ ...pair, gold: index % 2 === 0 ? 'A' : 'B' }));
  const ref: ArtifactRef = await host.store.putLines('pairs', lines);
  const overrides = {
    'distill.pairs': pairs.length,
    'distill.secondPass': secondPass,
    'oracle.concurrency': IN_FLIGHT,
    'oracle.maxTokens': MAX_TOKENS,
  };
  const handle = await host.start(
    'distill',
    { artifacts: { pairs: ref }, overrides, budget: { usd: 1e6 } },
    name,
  );
  await handle.result();
  const { events } = await handle.fetchHistory();
  const times = (events ?? []).filter(
    ({ activityTaskScheduledEventAttributes: scheduled, activityTaskCompletedEventAttributes: completed }) =>
      scheduled?.activityType?.name === 'judgeWithOracle' || completed,
  );
  const first = times.find(
    ({ activityTaskScheduledEventAttributes: scheduled }) =>
      scheduled?.activityType?.name === 'judgeWithOracle',
  )!;
  const scheduled = new Set(
    times
      .filter(({ activityTaskScheduledEventAttributes }) => activityTaskScheduledEventAttributes)
      .map(({ eventId }) => String(eventId)),
  );
  const last = times.findLast(
    ({ activityTaskCompletedEventAttributes: completed }) =>
      completed && scheduled.has(String(completed.scheduledEventId)),
  )!;
  const { calls } = await handle.query(ledgerQuery);
  return { askingSeconds: at(last) - at(first), events: (events ?? []).length, calls };
}

function at({ eventTime }: { eventTime?: { seconds?: unknown; nanos?: number | null } | null }): number {
  return Number(eventTime?.seconds) + (eventTime?.nanos ?? 0) / 1e9;
}

/** Small pairs that nobody has asked about yet, whose labels the oracle knows. */
async function labelledPairs(baseUrl: string, name: string, count: number): Promise<Pair[]> {
  const pairs = Array.from({ length: count }, (_, index): Pair => ({
    id: `${name}/${String(index).padStart(6, '0')}`,
    category: `section-${index % 8}`,
    conversation: [{ role: 'user', content: `Question ${index} of ${name}: which reply is right?` }],
    chosen: `The right reply to ${index}.`,
    rejected: `Some other reply to ${index}.`,
  }));
  for (let from = 0; from < count; from += 10_000) {
    const body = pairs
      .slice(from, from + 10_000)
      .map((pair) => `${JSON.stringify(pair)}\n`)
      .join('');
    const answer = await fetch(new URL('/labels', baseUrl), { method: 'POST', body });
    if (!answer.ok) throw new Error(`The oracle refused the labels: ${await answer.text()}`);
  }
  return pairs;
}

function residentBytes(pid: number): number {
  try {
    const pages = readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1];
    return Number(pages) * 4096;
  } catch {
    return 0;
  }
}
