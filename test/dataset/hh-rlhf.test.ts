import { existsSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { assignGold, leakage, readPairs, splitPairs } from '../../activities/dataset/index.js';

const FILE = process.env.RMR1_HH_RLHF ?? '../shared/data/hh-rlhf/harmless-base-test.mild.jsonl.gz';
const missing = !existsSync(FILE);

describe(missing ? `HH-RLHF (skipped: ${FILE} is not there; set RMR1_HH_RLHF)` : 'HH-RLHF', () => {
  it.skipIf(missing)('the harmless-base test set is read whole, but for its few broken records', async () => {
    const { pairs, report } = await readPairs(FILE);
    expect(report).toMatchObject({
      records: 1929,
      pairs: 1925,
      duplicates: 0,
      dropped: { equalAnswers: 0, emptyAnswer: 4, conversationsDiffer: 0, overlong: 0 },
      shapes: { transcript: 1925 },
    });
    for (const { conversation } of pairs) {
      const roles = conversation.map(({ role }) => role);
      expect(roles).toEqual(roles.map((_, index) => (index % 2 === 0 ? 'user' : 'assistant')));
      expect(roles.at(-1)).toBe('user');
    }
    const { train, validation, test } = splitPairs(pairs, { validationShare: 0.05, testShare: 0.1, seed: 1 });
    leakage({ train, validation, test });
    expect(train.length + validation.length + test.length).toBe(1925);
    const atA = assignGold(train, 1).filter(({ gold }) => gold === 'A').length;
    expect(Math.abs(2 * atA - train.length)).toBeLessThanOrEqual(1);
  });
});
