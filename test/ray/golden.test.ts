/** Golden vectors that `infra/ray/tests` holds the Python side to: rewards, orders and learning rates as computed here. */
import { expect, it } from 'vitest';
import { philox, shuffledOrder } from '../../engine/data/random.js';
import { learningRate } from '../../engine/optimizer/schedule.js';
import { optimizerSchema } from '../../engine/job.js';
import { withScalarHead } from '../../engine/model/scalar-head.js';
import { parameterLayout, SCORE_WEIGHT, view } from '../../engine/model/parameters.js';
import { correctnessReward } from '../../judge/reward.js';

const GOLDEN = '../../infra/ray/tests/golden';

/** Pieces that decide a reward, pieces that nearly do, and characters that languages count or trim differently. */
const PIECES = [
  ...[
    '<answer>[[A]]</answer>',
    '<answer>[[B]]</answer>',
    '[[A]]',
    '[[B]]',
    '<answer>',
    '</answer>',
    '[[A]',
    '[A]]',
  ],
  ...['<answer> [[A]] </answer>', '<answer>\n[[B]]\t</answer>', '<answer>\u00a0[[A]]\u2028</answer>'],
  ...['<answer>\ufeff[[B]]</answer>', '<answer>\u0085[[A]]</answer>', '<answer>\u001c[[B]]</answer>'],
  ...[
    '<Answer>[[A]]</Answer>',
    '<answer>[[A]]</answer',
    '<answer>[[ A ]]</answer>',
    '[[a]]',
    '[[A B]]',
    '[[C]]',
  ],
  ...['\u{1f600}', 'é', 'e\u0301', '\u{20000}', '漢', ' ', '\n', '\r\n', '.', 'so', ' because ', '</rubric>'],
  ...['x'.repeat(20), 'y'.repeat(50), '\u{1f600}'.repeat(30), 'z'.repeat(77), '—'.repeat(10)],
];

/** The same strings in every run: drawn by the project's own counter-based generator. */
function* texts(count: number): Generator<string> {
  for (let i = 0; i < count; i += 1) {
    const words = [0, 1].flatMap((block) => philox([i, block, 0, 0], 20261126, 0));
    const length = words[0]! % 7;
    yield Array.from({ length }, (_, at) => PIECES[words[at + 1]! % PIECES.length]!).join('');
  }
}

it('rewards of thousands of texts', async () => {
  const vectors = [...texts(3000)].map((text) => [
    text,
    correctnessReward(text, 'A'),
    correctnessReward(text, 'B'),
  ]);
  expect(vectors.filter(([, a]) => a === 1).length).toBeGreaterThan(100);
  expect(vectors.filter(([, , b]) => b === 1).length).toBeGreaterThan(100);
  const lines = vectors.map((vector) => JSON.stringify(vector)).join('\n');
  await expect(`${lines}\n`).toMatchFileSnapshot(`${GOLDEN}/rewards.jsonl`);
});

it('orders of samples', async () => {
  const cases = [
    [1, 0, 0],
    [7, 1, 0],
    [7, 1, 3],
    [100, 2 ** 32 + 5, 1],
    [257, 2 ** 53 - 1, 2],
  ] as const;
  const orders = cases.map(([count, seed, epoch]) => ({
    ...{ count, seed, epoch },
    order: [...shuffledOrder(count, seed, epoch)],
  }));
  await expect(`${JSON.stringify(orders)}\n`).toMatchFileSnapshot(`${GOLDEN}/orders.json`);
});

it('learning rates', async () => {
  const settings = (['constant', 'linear', 'cosine', 'flat-linear'] as const).flatMap((schedule) =>
    [0, 3].map((warmupSteps) =>
      optimizerSchema.parse({ learningRate: 2e-3, schedule, warmupSteps, finalShare: 0.05, flatShare: 0.4 }),
    ),
  );
  const total = 20;
  const rates = settings.map((optimizer) => ({
    optimizer,
    total,
    rates: Array.from({ length: total + 2 }, (_, step) => learningRate(optimizer, step, total)),
  }));
  await expect(`${JSON.stringify(rates)}\n`).toMatchFileSnapshot(`${GOLDEN}/learning-rates.json`);
});

it('fresh heads of reward models', async () => {
  const heads = [
    [0, 5],
    [7, 32],
    [2 ** 53 - 1, 6],
  ].map(([seed, hiddenSize]) => {
    const layout = parameterLayout({ ...TINY_SHAPE, hiddenSize: hiddenSize!, headDim: 2 });
    const model = withScalarHead({ layout, parameters: new Float32Array(layout.size) }, seed!);
    const head = model.layout.entries.find(({ name }) => name === SCORE_WEIGHT)!;
    return { seed, head: [...view(model.parameters, head)] };
  });
  await expect(`${JSON.stringify(heads)}\n`).toMatchFileSnapshot(`${GOLDEN}/heads.json`);
});

const TINY_SHAPE = {
  ...{ layers: 1, heads: 1, kvHeads: 1, intermediateSize: 2, maxLength: 4, vocabSize: 3 },
  ...{ ropeTheta: 10_000, normEpsilon: 1e-6, tieEmbeddings: true },
};
