/**
 * The judging server on the embedded engine: 16 clients at once against the same requests one at a time, on one server and
 * one model of the quickstart's architecture with random weights (what a judgement costs does not depend on what it says;
 * every judgement is decoded to its 72 tokens). Rounds alternate.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { wordTokenizer } from '../activities/dataset/student-tokenizer.js';
import { openBareJudge } from '../activities/evaluation/judges/open-judge.js';
import { judgeClient, type JudgeClient } from '../client/judge-client.js';
import { writeModelFiles } from '../engine/checkpoint/model-directory.js';
import { initializeParameters } from '../engine/model/initialize.js';
import { parameterLayout } from '../engine/model/parameters.js';
import { TextTokenizer } from '../engine/tokenizer/tokenizer.js';
import { writeTokenizer } from '../engine/tokenizer/tokenizer-files.js';
import { loadRecipe } from '../recipes/load.js';
import type { Architecture } from '../recipes/schema.js';
import { startJudgeServer } from '../serving/server.js';
import { generateWorld, WORLD_TOKEN_PATTERN, worldVocabulary } from '../world/index.js';
import { judgeSettingsSchema, samplingSchema } from '../workflows/judge-settings.js';
import { type BenchResult, machine, median, versions } from './result.js';

const ROUNDS = 3;
const CLIENTS = 16;
const REQUESTS = 192;
/** One at a time, fewer requests tell the rate as well. */
const ALONE = 32;

export async function run(): Promise<BenchResult[]> {
  const dir = await mkdtemp(join(tmpdir(), 'rmr1-bench-serve-'));
  const recipe = loadRecipe('quickstart');
  const { architecture } = recipe.base;
  if (!('hiddenSize' in architecture)) throw new Error('The quickstart no longer makes its own base model.');
  await writeModel(dir, architecture);
  const settings = judgeSettingsSchema.parse({ kind: 'local', model: dir, threads: 2 });
  const sampling = samplingSchema.parse({ maxTokens: recipe.evaluate.maxNewTokens });
  const { judge } = await openBareJudge(settings, sampling, { localModel: { dir, sha256: 'bench' } });
  const server = await startJudgeServer(judge, {
    host: '127.0.0.1',
    port: 0,
    model: 'bench',
    maxBodyBytes: 1 << 20,
    timeoutSeconds: 300,
    maxPending: 4096,
  });
  try {
    const client = judgeClient({ url: server.url });
    const { train } = generateWorld({ seed: 4, train: REQUESTS, validation: 1, test: 1 });
    const requests = train.map(({ conversation, chosen, rejected }) => ({
      conversation,
      a: chosen,
      b: rejected,
    }));
    // The first batches make the engine's graphs.
    await load(client, requests.slice(0, 64), CLIENTS);
    await load(client, requests.slice(0, 4), 1);
    const together: Load[] = [];
    const alone: Load[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      alone.push(await load(client, requests.slice(0, ALONE), 1));
      together.push(await load(client, requests, CLIENTS));
    }
    return [
      result(`${CLIENTS} clients`, together.map(rateOf), alone.map(rateOf), 4, 'judgements/s'),
      result('p50 latency', together.map(quantile(0.5)), alone.map(quantile(0.5)), null, 's'),
      result('p99 latency', together.map(quantile(0.99)), alone.map(quantile(0.99)), null, 's'),
    ];
  } finally {
    await server.close();
    await judge.close();
    await rm(dir, { recursive: true, force: true });
  }
}

interface Load {
  seconds: number;
  latencies: number[];
}

const rateOf = ({ seconds, latencies }: Load): number => latencies.length / seconds;

const quantile =
  (share: number) =>
  ({ latencies }: Load): number => {
    const sorted = [...latencies].sort((a, b) => a - b);
    return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]!;
  };

/** All requests by so many clients, each with one request at a time. */
async function load(
  client: JudgeClient,
  requests: readonly Parameters<JudgeClient['pair']>[0][],
  clients: number,
): Promise<Load> {
  const latencies: number[] = [];
  let next = 0;
  const began = performance.now();
  await Promise.all(
    Array.from({ length: clients }, async () => {
      while (next < requests.length) {
        const request = requests[next++]!;
        const sent = performance.now();
        await client.pair(request);
        latencies.push((performance.now() - sent) / 1000);
      }
    }),
  );
  return { seconds: (performance.now() - began) / 1000, latencies };
}

function result(
  which: string,
  ours: number[],
  peer: number[],
  goal: number | null,
  unit: string,
): BenchResult {
  return {
    name: 'serve',
    case: which,
    ratio: median(ours.map((value, round) => value / peer[round]!)),
    goal,
    ours: median(ours),
    peer: median(peer),
    unit,
    runs: { ours, peer },
    machine: machine(),
    versions: versions(),
  };
}

async function writeModel(dir: string, architecture: Architecture): Promise<void> {
  writeTokenizer(dir, wordTokenizer(worldVocabulary(), WORLD_TOKEN_PATTERN));
  const tokenizer = TextTokenizer.load(dir);
  const layout = parameterLayout({
    ...architecture,
    vocabSize: tokenizer.vocabSize,
    ropeTheta: 10_000,
    normEpsilon: 1e-5,
    tieEmbeddings: true,
  });
  writeModelFiles(dir, { layout, parameters: initializeParameters(layout, 1), tokenizer, tokenizerDir: dir });
}
