/** The walks of `docs/architecture.md` lead through files that are there, past names that are defined in them. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { projectRoot } from '../../infra/environment.js';

const [, walks = ''] = readFileSync(join(projectRoot(), 'docs/architecture.md'), 'utf8').split(
  /^## (?:Three walks|Dependencies)$/m,
);
const steps = [...walks.matchAll(/^\| \d+ \| `([^`]+)` \| `([^`]+)`/gm)].map(([, file, name]) => [
  file!,
  name!,
]);
const otherWays = [...walks.matchAll(/`(\w+)` \(`([\w./-]+\.(?:ts|py))`/g)].map(([, name, file]) => [
  file!,
  name!,
]);

/** A definition of `name`, not a mention: of a function, type, constant, property or method. */
const defined = (name: string) =>
  new RegExp(
    [
      `\\b(?:function\\*?|class|interface|const|readonly|def) ${name}\\b`,
      `^ +(?:(?:private|async|static) )*${name}(?:<[^>]*>)?\\(`,
    ].join('|'),
    'm',
  );

test('the walks have steps, and other ways', () => {
  expect(steps.length).toBeGreaterThan(25);
  expect(otherWays.length).toBeGreaterThan(10);
});

test.each([...steps, ...otherWays])('%s: %s', (file, name) => {
  const path = join(projectRoot(), file);
  expect(existsSync(path), `${file} is gone: mend the walk`).toBe(true);
  expect(
    defined(name).test(readFileSync(path, 'utf8')),
    `${name} is not defined in ${file} any more: mend the walk`,
  ).toBe(true);
});
