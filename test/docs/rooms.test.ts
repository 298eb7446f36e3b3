/** Every folder has a sentence in `docs/architecture.md` and a rule in `.dependency-cruiser.cjs`, and no rule is about nothing. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { projectRoot } from '../../infra/environment.js';

const root = projectRoot();
const foldersOf = (path: string): string[] =>
  readdirSync(join(root, path), { withFileTypes: true })
    .filter(
      (entry) => entry.isDirectory() && !/^(\.|__|node_modules$|dist$|build$|coverage$)/.test(entry.name),
    )
    .map(({ name }) => name);
const read = (path: string) => readFileSync(join(root, path), 'utf8');

const top = foldersOf('.');
const inside = ['activities', 'infra'].flatMap((room) => foldersOf(room).map((name) => `${room}/${name}`));
const holdsTypeScript = (room: string) =>
  readdirSync(join(root, room), { recursive: true, encoding: 'utf8' }).some((name) => name.endsWith('.ts'));

const config = createRequire(import.meta.url)(join(root, '.dependency-cruiser.cjs')) as {
  forbidden: { from: { path?: string } }[];
};
const ruled = new Set(
  config.forbidden.flatMap(({ from }) => (from.path ? [from.path.replace(/^\^|\/$/g, '')] : [])),
);
const cruised = (JSON.parse(read('package.json')) as { scripts: { boundaries: string } }).scripts.boundaries
  .split(' ')
  .slice(3);

test('every folder has its sentence', () => {
  const rows = [...read('docs/architecture.md').matchAll(/^\| `([\w/]+)\/` \| \S/gm)].map(
    ([, name]) => name!,
  );
  expect(rows.sort()).toEqual([...top, ...inside].sort());
});

test('every folder of the engine is in its document', () => {
  const document = read('docs/engine.md');
  expect(foldersOf('engine').filter((name) => !document.includes(`${name}/`))).toEqual([]);
});

test('every file of the Ray jobs is in their README', () => {
  const readme = read('infra/ray/README.md');
  const files = readdirSync(join(root, 'infra/ray/rmr1_ray')).filter((name) => /\.(py|json)$/.test(name));
  expect(files.filter((name) => name !== '__init__.py' && !readme.includes(`\`${name}\``))).toEqual([]);
});

test('every folder with code of ours has a rule, and the rules are applied to it', () => {
  const rooms = top.filter((room) => room !== 'test' && holdsTypeScript(room));
  expect(rooms.filter((room) => !ruled.has(room))).toEqual([]);
  expect(rooms.filter((room) => !cruised.includes(room))).toEqual([]);
  expect(inside.filter((room) => holdsTypeScript(room) && !ruled.has(room))).toEqual([]);
  expect([...ruled].filter((room) => !existsSync(join(root, room)))).toEqual([]);
});
