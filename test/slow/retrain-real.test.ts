/** A scheduled retraining on real servers, oracle and trainer: new pairs in the bucket end in a champion, or in the reason why not. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readChampion } from '../../activities/registry/champion.js';
import { Schedules } from '../../client/schedules.js';
import type { RetrainInput, RetrainReport } from '../../workflows/retrain-messages.js';
import type { retrain } from '../../workflows/retrain.js';
import { generateWorld } from '../../world/index.js';
import { TestMachine } from '../support/machine.js';
import { until } from '../support/until.js';

const WATCH = 'datasets/world/';
const ALIAS = 'nightly-judge';
const PAIRS = 60;
/** Real stages, a few steps each. */
const SMALL = {
  'data.maxTestPairs': 6,
  'base.architecture': {
    ...{ hiddenSize: 32, layers: 1, heads: 2, kvHeads: 2, intermediateSize: 64, maxLength: 512 },
  },
  'base.tokenizer': { kind: 'bpe', vocabularySize: 512 },
  'base.documents': 32,
  'oracle.provider': 'local',
  'oracle.model': 'world-oracle-a',
  'distill.pairs': 16,
  'sft.epochs': 1,
  'grpo.steps': 1,
  'grpo.promptsPerStep': 2,
  'grpo.groupSize': 2,
  'grpo.maxNewTokens': 16,
  'evaluate.maxNewTokens': 16,
  'evaluate.stages': ['grpo'],
};

let machine: TestMachine;
beforeAll(async () => {
  machine = await TestMachine.start();
  await machine.startWorker();
});
afterAll(() => machine?.stop());

/** `count` pairs as a user would put them below the watched prefix. */
async function deliver(file: string, seed: number): Promise<void> {
  const { train } = generateWorld({ seed, train: PAIRS, validation: 1, test: 1 });
  const lines = train.map(({ conversation: messages, chosen, rejected }) =>
    JSON.stringify({ messages, chosen, rejected }),
  );
  await machine.store.putSegment(`${WATCH}${file}`, Buffer.from(`${lines.join('\n')}\n`));
}

test('the first candidate is promoted, no new pairs train nothing, new pairs are compared with the champion', async () => {
  const schedules = new Schedules(machine.client);
  const input: RetrainInput = {
    ...{ recipe: 'scratch', overrides: SMALL, watch: WATCH, minNewPairs: 50, alias: ALIAS },
  };
  await deliver('monday.jsonl', 1);
  await schedules.create('nightly', { cron: '0 3 1 1 *' }, input);
  const seen = new Set<string>();
  let last = 0;
  const triggered = async (): Promise<RetrainReport> => {
    // The server names the runs of a schedule by the second: two in one second would have one name.
    await until('another second', () => Math.floor(Date.now() / 1000) > last);
    await schedules.trigger('nightly');
    last = Math.floor(Date.now() / 1000) + 1;
    const run = await until('the triggered run', async () => {
      const [schedule] = await schedules.list();
      return schedule?.recentRuns.find((id) => !seen.has(id));
    });
    seen.add(run);
    return machine.client.workflow.getHandle<typeof retrain>(run).result();
  };

  const first = await triggered();
  expect(first).toMatchObject({ state: 'promoted', version: 1, newPairs: PAIRS });
  const champion = await readChampion(machine.store, ALIAS);
  expect(champion.current).toMatchObject({
    workflowId: first.trainingRun,
    trainedOn: { pairs: PAIRS, files: { [`${WATCH}monday.jsonl`]: expect.any(String) as string } },
  });
  expect(await machine.store.has(champion.current!.model)).toBe(true);

  const idle = await triggered();
  expect(idle).toMatchObject({ state: 'kept', newPairs: 0 });
  expect(idle.reason).toMatch(/0 new pairs .* 50 are needed/);
  expect(idle.trainingRun).toBeUndefined();

  await deliver('tuesday.jsonl', 2);
  const second = await triggered();
  expect(second.newPairs).toBe(PAIRS);
  const { items, pValue } = second.comparison!;
  // Six test pairs in both orders.
  expect(items).toBe(12);
  expect(second.state).toBe(second.comparison!.difference > 0 && pValue < 0.05 ? 'promoted' : 'kept');
  expect(second.reason).toMatch(/Candidate .* champion .* on the same 12 judgements/);
  const { history } = await readChampion(machine.store, ALIAS);
  expect(history).toHaveLength(second.state === 'promoted' ? 2 : 1);
  await schedules.delete('nightly');
});
