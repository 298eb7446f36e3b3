import proto from '@temporalio/proto';
import { describe, expect, it } from 'vitest';
import { waitOf, type PendingActivities } from '../../client/live-wait.js';

const { PENDING_ACTIVITY_STATE_SCHEDULED: SCHEDULED, PENDING_ACTIVITY_STATE_STARTED: STARTED } =
  proto.temporal.api.enums.v1.PendingActivityState;
const scheduledTime = { seconds: 1_000 } as unknown as PendingActivities[number]['scheduledTime'];
const waiting = { state: SCHEDULED, scheduledTime };
const now = 1_010_000;

describe('why a stage stands still', () => {
  it('no worker has taken its activity', () => {
    expect(waitOf([waiting], now)).toBe('waits for a free worker (rmr1 runs: what else runs)');
  });

  it('its next attempt is not taken yet', () => {
    const lastFailure = { message: 'The trainer died.' };
    expect(waitOf([{ ...waiting, lastFailure }], now)).toBe('waits for its next attempt: The trainer died.');
  });

  it.each([
    ['is not said where one works', [waiting, { state: STARTED, scheduledTime }], now],
    ['is not said at once', [waiting], 1_003_000],
    ['is not said of a stage without activities', [], now],
    ['is not said of none at all', undefined, now],
  ])('%s', (_name, pending, at) => {
    expect(waitOf(pending, at)).toBeUndefined();
  });
});
