import proto from '@temporalio/proto';
import { describe, expect, it } from 'vitest';
import { standingOf, type PendingActivities } from '../../client/live-activities.js';

const { PENDING_ACTIVITY_STATE_SCHEDULED: SCHEDULED, PENDING_ACTIVITY_STATE_STARTED: STARTED } =
  proto.temporal.api.enums.v1.PendingActivityState;
const scheduledTime = { seconds: 1_000 } as unknown as PendingActivities[number]['scheduledTime'];
const waiting = { state: SCHEDULED, scheduledTime };
const now = 1_010_000;

describe('how a stage stands', () => {
  it('waits where no worker has taken its activity', () => {
    expect(standingOf([waiting], now)).toEqual({
      waits: 'waits for a free worker (rmr1 runs: what else runs)',
    });
  });

  it('is tried again, and says after what', () => {
    const lastFailure = { message: 'The trainer died.' };
    const again = { attempt: 3, after: 'The trainer died.' };
    const retried = { state: STARTED, scheduledTime, attempt: 3, lastFailure };
    expect(standingOf([{ state: STARTED, scheduledTime, attempt: 1 }, retried], now)).toEqual({ again });
  });

  it.each([
    ['nothing where one works', [waiting, { state: STARTED, scheduledTime }], now],
    ['nothing at once', [waiting], 1_003_000],
    ['nothing of a stage without activities', [], now],
    ['nothing of none at all', undefined, now],
  ])('says %s', (_name, pending, at) => {
    expect(standingOf(pending, at)).toEqual({});
  });
});
