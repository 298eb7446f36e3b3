/** Progress answers as a run gave them. */
import type { RunProgress } from '../../workflows/messages.js';

export const STARTED_AT = Date.parse('2026-05-01T10:00:00Z');

export const training: RunProgress = {
  workflowId: 'quickstart-seed1',
  recipe: 'quickstart',
  state: 'running',
  stage: 'sft',
  costUsd: 0.1812,
  stages: [
    {
      name: 'dataset',
      state: 'done',
      startedAt: '2026-05-01T09:58:00Z',
      seconds: 0.71,
      metrics: { train: 6000, validation: 400, test: 700 },
    },
    { name: 'base', state: 'reused', seconds: 0.1, metrics: { steps: 1125, loss: 0.4123 } },
    { name: 'distill', state: 'done', seconds: 8.2, costUsd: 0.1812, metrics: { traces: 1411 } },
    {
      name: 'sft',
      state: 'running',
      workflowId: 'quickstart-seed1/sft',
      startedAt: '2026-05-01T10:00:00Z',
      figures: { step: 120, total: 480, loss: 0.41234, tokensPerSecond: 8123, etaSeconds: 42.4 },
    },
    { name: 'grpo', state: 'pending' },
    { name: 'evaluate', state: 'pending' },
    { name: 'report', state: 'pending' },
  ],
};

export const waitingForCorrection: RunProgress = {
  ...training,
  state: 'awaiting-correction',
  stage: 'distill',
  problem: {
    stage: 'distill',
    type: 'OracleCredentials',
    message: 'The oracle refused the key (HTTP 401): check OPENAI_API_KEY.',
  },
  stages: training.stages.map((stage) =>
    stage.name === 'distill'
      ? {
          name: 'distill',
          state: 'failed',
          problem: 'The oracle refused the key (HTTP 401): check OPENAI_API_KEY.',
        }
      : stage,
  ),
};
