/** A benchmark evaluation on real servers through the command line: killed, resumed, compared; nothing asked twice. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { generateWorld } from '../../world/index.js';
import { runCommand } from '../support/command.js';
import { TestMachine, type TestOracle } from '../support/machine.js';
import { until } from '../support/until.js';

let host: TestMachine;
let oracle: TestOracle;
let dir: string;
let data: string;
const ITEMS = 160;

beforeAll(async () => {
  host = await TestMachine.start();
  oracle = await host.startOracle(['--latency-ms', '100']);
  dir = await mkdtemp(join(tmpdir(), 'rmr1-evaluate-'));
  data = join(dir, 'filtered.jsonl');
  // In RewardBench's own format: one prompt, a chosen and a rejected reply a line.
  // Where earlier turns matter, the oracle would not know the pair again by its last one.
  const { train } = generateWorld({ seed: 8, train: 2 * ITEMS, validation: 1, test: 1 });
  const single = train.filter(({ conversation }) => conversation.length === 1).slice(0, ITEMS);
  const lines = single.map(({ conversation, chosen, rejected }, id) =>
    JSON.stringify({
      id,
      subset: ['alpacaeval-easy', 'llmbar-natural', 'donotanswer', 'hep-go'][id % 4],
      prompt: conversation.at(-1)!.content,
      chosen,
      rejected,
    }),
  );
  await writeFile(data, `${lines.join('\n')}\n`);
});
afterAll(async () => {
  await host?.stop();
  await rm(dir, { recursive: true, force: true });
});

function rmr1(...args: string[]) {
  return runCommand(args, host.environment({ OPENAI_API_KEY: 'none' }));
}

const about = () => ['--benchmark', 'rewardbench', '--data', data, '--base-url', oracle.baseUrl];

it('a worker killed in the middle costs what was in flight, and the result is scored and comparable', async () => {
  await host.startWorker();
  const running = rmr1('evaluate', ...about(), '--model', 'world-oracle-a', '--concurrency', '4', '--json');
  await until('a third of the answers', async () => (await oracle.stats()).answered > ITEMS / 3);
  host.killWorker();
  await host.startWorker();
  const first = await running;
  expect(first.code, first.stderr).toBe(0);
  const { workflowId, results } = JSON.parse(first.stdout.trim().split('\n').at(-1)!) as {
    workflowId: string;
    results: {
      files: { verdicts: string };
      scores: { score: { score: number; items: number }; asked: number; found: number };
    }[];
  };
  const [{ files, scores }] = results as [(typeof results)[0]];
  expect(scores.score.items).toBe(ITEMS);
  expect(scores.found).toBeGreaterThan(ITEMS / 4);
  const { pairs } = await oracle.stats();
  expect(Object.keys(pairs)).toHaveLength(ITEMS);
  // At most those in flight at the kill were asked again.
  expect(Object.values(pairs).filter((times) => times > 1).length).toBeLessThanOrEqual(4);

  const score = await rmr1('score', '--benchmark', 'rewardbench', '--verdicts', files.verdicts, '--json');
  expect((JSON.parse(score.stdout) as { score: number }).score).toBeCloseTo(scores.score.score, 12);
  expect((await readFile(files.verdicts, 'utf8')).split('\n')[0]).toMatch(/"protocol"/);

  const page = join(dir, 'page.html');
  const report = await rmr1('report', workflowId, '--out', page, '--json');
  expect(report.code, report.stderr).toBe(0);
  expect(JSON.parse(report.stdout)).toMatchObject({ workflowId, files: { html: page } });
  expect(await readFile(page, 'utf8')).toContain('world-oracle-a on RewardBench');

  const other = await rmr1('evaluate', ...about(), '--model', 'world-oracle-b', '--json');
  expect(other.code, other.stderr).toBe(0);
  const { workflowId: second } = JSON.parse(other.stdout.trim().split('\n').at(-1)!) as {
    workflowId: string;
  };
  const compared = await rmr1('compare', workflowId, second, '--json');
  expect(compared.code, compared.stderr).toBe(0);
  expect(JSON.parse(compared.stdout)).toMatchObject({
    benchmark: 'rewardbench',
    score: { count: ITEMS },
    onlyA: 0,
  });

  const before = (await oracle.stats()).answered;
  const again = await rmr1('evaluate', ...about(), '--model', 'world-oracle-a', '--concurrency', '9');
  expect(again.code, again.stderr).toBe(0);
  expect(again.stdout).toMatch(/RewardBench: \d/);
  expect((await oracle.stats()).answered).toBe(before);
});

it('stopped early, it scores what is there; the same command goes on to the end', async () => {
  const args = [
    'evaluate',
    ...about(),
    '--model',
    'world-oracle-a',
    '--prompt-version',
    'plain-v1',
    '--concurrency',
    '2',
  ];
  const running = rmr1(...args, '--id', 'stopped-early');
  const before = (await oracle.stats()).answered;
  await until('a few answers', async () => (await oracle.stats()).answered > before + 20);
  expect((await rmr1('stop', 'stopped-early')).code).toBe(0);
  const part = await running;
  expect(part.code, part.stderr).toBe(0);
  expect(part.stdout).toMatch(/stopped before the end/);
  const rest = await rmr1(...args, '--json');
  const { results } = JSON.parse(rest.stdout.trim().split('\n').at(-1)!) as {
    results: { scores: { found: number; score: { items: number } } }[];
  };
  expect(results[0]!.scores.score.items).toBe(ITEMS);
  expect(results[0]!.scores.found).toBeGreaterThanOrEqual(20);
});
