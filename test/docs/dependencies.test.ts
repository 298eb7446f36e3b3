/** A dependency that nobody can say the reason of stays for ever. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { projectRoot } from '../../infra/environment.js';

const read = (path: string) => readFileSync(join(projectRoot(), path), 'utf8');

/** Names in the first column of the tables; `@scope/{a,b}` stands for both. */
function namesIn(document: string): string[] {
  const cells = document.split('\n').flatMap((line) => /^\| (`.*?) \|/.exec(line)?.[1] ?? []);
  return cells.flatMap((cell) =>
    [...cell.matchAll(/`([^`]+)`/g)].flatMap(([, name = '']) => {
      const [, scope = '', list] = /^(.*)\{(.*)\}$/.exec(name) ?? [];
      return list === undefined ? [name] : list.split(',').map((each) => scope + each);
    }),
  );
}

it('every direct dependency has its reason in the decision, and no other has', () => {
  const { dependencies, devDependencies } = JSON.parse(read('package.json')) as Record<
    'dependencies' | 'devDependencies',
    Record<string, string>
  >;
  const named = namesIn(read('docs/decisions/016-every-dependency-has-a-reason.md'));
  expect(named.sort()).toEqual([...Object.keys(dependencies), ...Object.keys(devDependencies)].sort());
});
