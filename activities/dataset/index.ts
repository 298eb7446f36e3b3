export { BadDataError } from './bad-data.js';
export { assignGold } from './assign-gold.js';
export { findLeaks, leakage } from './leakage.js';
export { contentKey, conversationKey, normaliseText } from './normalise.js';
export { dropOverlong } from './overlong.js';
export { parseRecord } from './parse-record.js';
export { readPairs } from './read-pairs.js';
export type { ReadReport } from './read-pairs.js';
export { dedupePairs, firstInHashOrder, splitPairs } from './split.js';
