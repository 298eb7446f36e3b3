import { defaultDataConverter, defaultPayloadConverter } from '@temporalio/common';
import { describe, expect, it } from 'vitest';
import { readHeartbeats, withLiveFigures } from '../../client/live-figures.js';
import { training } from './progress-samples.js';

const figuresOf = (progress: typeof training, stage: string) =>
  progress.stages.find(({ name }) => name === stage)?.figures;

describe('figures of heartbeats', () => {
  it('replace older ones of the workflow and keep fields they lack', () => {
    const merged = withLiveFigures(training, [
      { stage: 'sft', figures: { step: 130, total: 480, loss: 0.4 } },
    ]);
    expect(figuresOf(merged, 'sft')).toMatchObject({ step: 130, loss: 0.4, tokensPerSecond: 8123 });
  });

  it('do not turn the clock back after a restarted activity', () => {
    const merged = withLiveFigures(training, [{ stage: 'sft', figures: { step: 50, total: 480 } }]);
    expect(figuresOf(merged, 'sft')?.step).toBe(120);
  });

  it('are ignored for stages that do not run', () => {
    const merged = withLiveFigures(training, [{ stage: 'base', figures: { step: 1, total: 2 } }]);
    expect(figuresOf(merged, 'base')).toBeUndefined();
  });

  it('are read from pending activities, whatever else these report', async () => {
    const beat = (value: unknown) => ({
      heartbeatDetails: { payloads: [defaultPayloadConverter.toPayload(value)] },
    });
    const found = await readHeartbeats(
      [
        beat({ stage: 'sft', figures: { step: 7, total: 9 } }),
        beat({ stage: 'distill' }),
        beat('cursor-3'),
        beat(null),
        {},
      ],
      defaultDataConverter,
    );
    expect(found).toEqual([{ stage: 'sft', figures: { step: 7, total: 9 } }]);
  });
});
