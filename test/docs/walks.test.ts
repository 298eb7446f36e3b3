/** The walks of `docs/architecture.md` lead through files and names that are there. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { projectRoot } from '../../infra/environment.js';

const text = readFileSync(join(projectRoot(), 'docs/architecture.md'), 'utf8');
const steps = [...text.matchAll(/^\| \d+ \| `([^`]+)` \| `([^`]+)`/gm)].map(([, file, name]) => [
  file!,
  name!,
]);

test('the walks have steps', () => expect(steps.length).toBeGreaterThan(25));

test.each(steps)('%s: %s', (file, name) => {
  const path = join(projectRoot(), file);
  expect(existsSync(path), `${file} is gone: mend the walk`).toBe(true);
  expect(readFileSync(path, 'utf8'), `${name} is not in ${file} any more: mend the walk`).toMatch(
    new RegExp(`\\b${name}\\b`),
  );
});
