/** What the documents name is there: scripts, commands, files, links. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { buildProgram } from '../../client/program.js';
import { projectRoot } from '../../infra/environment.js';

const root = projectRoot();
const documents = [
  'README.md',
  'CONTRIBUTING.md',
  ...readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => join('docs', name)),
];
const textOf = (document: string) => readFileSync(join(root, document), 'utf8');
const all = (text: string, pattern: RegExp) => [
  ...new Set([...text.matchAll(pattern)].map(([, one]) => one!)),
];

const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  scripts: Record<string, string>;
};
const commands = new Set(buildProgram(() => undefined).commands.map((command) => command.name()));

test.each(documents)('%s', (document) => {
  const text = textOf(document);
  for (const script of all(text, /npm run (?:--silent |-s )?([\w:-]+)/g))
    expect(Object.keys(scripts), `npm run ${script}`).toContain(script);
  for (const command of all(text, /`(?:npx )?rmr1 ([a-z][\w-]*)/g)) expect([...commands]).toContain(command);
  const links = all(text, /\]\((?!https?:|#)([^)#\s]+)/g).map((link) => join(dirname(document), link));
  const files = all(
    text,
    /`((?:workflows|activities|workers|judge|benchmarks|engine|recipes|client|infra|test|bench)\/[\w./-]+\.\w+)`/g,
  );
  // The lab log tells what was; files may have gone since.
  for (const path of document.endsWith('lab-log.md') ? links : [...links, ...files])
    expect(existsSync(join(root, path)), `${path} does not exist`).toBe(true);
});
