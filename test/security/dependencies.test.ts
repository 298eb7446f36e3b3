/** A dependency under a licence we cannot ship, or one that floats, is found before it is merged. */
import { expect, test } from 'vitest';
import { dependencyProblems, isAllowed } from '../../infra/check-dependencies.js';

test('every installed package has an allowed licence, a hash and a pinned version', () => {
  expect(dependencyProblems()).toEqual([]);
});

test('licences are read as expressions', () => {
  expect(['MIT', '(MIT OR GPL-3.0)', 'Apache-2.0 AND MIT'].map(isAllowed)).toEqual([true, true, true]);
  expect(['GPL-3.0', 'MIT AND GPL-3.0', undefined, '', 'SEE LICENSE'].map(isAllowed)).toEqual(
    Array(5).fill(false),
  );
});
