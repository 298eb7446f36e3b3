/** `--watch` that means something else than it says. */
import { expect, test } from 'vitest';
import { watchedBy } from '../../client/watched.js';

test('a prefix stays a prefix; a data set of the hub is taken apart', () => {
  expect(watchedBy('datasets/helpful/')).toBe('datasets/helpful/');
  expect(watchedBy('hub:a/b')).toEqual({ hub: 'a/b' });
  expect(watchedBy('hub:a/b@v2#validation')).toEqual({ hub: 'a/b', revision: 'v2', split: 'validation' });
  expect(watchedBy('hub:a/b#data/x.jsonl.gz')).toEqual({ hub: 'a/b', file: 'data/x.jsonl.gz' });
  // Left to the schema, which says what is wrong with it.
  expect(watchedBy('hub:')).toBe('hub:');
});
