/** The page of a run in the Temporal UI, as its workflow writes it. */
import { expect, test } from 'vitest';
import { renderDetails } from '../../workflows/details.js';
import type { RunProgress, StageProgress } from '../../workflows/messages.js';

const figures = { step: 64, total: 90, loss: 2.6, etaSeconds: 10 };
const page = (stage: Partial<StageProgress>) =>
  renderDetails({
    ...{ workflowId: 'run', recipe: 'quickstart', state: 'running', stage: 'sft' },
    stages: [{ name: 'sft', state: 'running', figures, ...stage }],
  } as RunProgress);

test('a stage at work shows where it is, one that is done what it came to', () => {
  expect(page({})).toContain('| ▶ running |  |  | 64/90 · loss 2.600 · 10 s left |');
  const metrics = { steps: 90, loss: 0.015 };
  expect(page({ state: 'done', metrics, seconds: 43 })).toContain(
    '| ✓ done | 43.0 s |  | steps 90 · loss 0.015 |',
  );
  expect(page({ state: 'failed' })).toContain('64/90');
});
