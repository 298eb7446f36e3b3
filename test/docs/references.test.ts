/** What the documents name is there: scripts, benchmarks, commands with their options, variables, files, links. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { buildProgram } from '../../client/program.js';
import { projectRoot } from '../../infra/environment.js';

const root = projectRoot();
const documents = [
  'README.md',
  'CONTRIBUTING.md',
  'infra/python/README.md',
  'infra/ray/README.md',
  'test/histories/README.md',
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
const commands = new Map(buildProgram(() => undefined).commands.map((command) => [command.name(), command]));
const bench = new Set(all(readFileSync(join(root, 'bench/main.ts'), 'utf8'), /^ {2}'?([\w-]+)'?: \{$/gm));

/** Pieces of code that a reader may copy: lines of blocks, joined where they go on, and what stands in backticks. */
function codeIn(text: string): string[] {
  const blocks = [...text.matchAll(/^```(?:bash|sh|console)?\n([\s\S]*?)^```/gm)].map(([, block]) => block!);
  const inline = [...text.replace(/^```[\s\S]*?^```/gm, '').matchAll(/`([^`\n]+)`/g)].map(
    ([, code]) => code!,
  );
  return [
    ...blocks
      .join('\n')
      .replace(/\\\n\s*/g, ' ')
      .split('\n'),
    ...inline,
  ];
}

/** Every use of a command, up to a comment, a pipe or the next command. */
const usesOf = (text: string, program: RegExp) =>
  codeIn(text).flatMap((code) =>
    [...code.matchAll(program)].map(([, name, rest = '']) => ({
      name: name!,
      rest: rest.split(/\s[#|]|;|&&/)[0]!,
    })),
  );

const flagsIn = (rest: string) =>
  [...rest.replace(/'[^']*'|"[^"]*"/g, '').matchAll(/(?<=^|\s)(--[\w-]+)/g)].map(([, flag]) => flag!);
const optionsOf = (command: Command) => [...command.options.map(({ long }) => long), '--help'];

test.each(documents)('%s', (document) => {
  const text = textOf(document);
  for (const script of all(text, /npm run (?:--silent |-s )?([\w:-]+)/g))
    expect(Object.keys(scripts), `npm run ${script}`).toContain(script);
  for (const { name, rest } of usesOf(text, /(?:^|npx |[A-Z_]+=\S+ )rmr1 ([a-z][\w-]*)(.*)/g)) {
    const command = commands.get(name);
    expect(command, `rmr1 ${name}`).toBeDefined();
    for (const flag of flagsIn(rest)) expect(optionsOf(command!), `rmr1 ${name} ${flag}`).toContain(flag);
  }
  for (const { name } of usesOf(text, /npm run bench -- ([a-z][\w-]*)(.*)/g))
    expect([...bench]).toContain(name);
  const links = all(text, /\]\((?!https?:|#)([^)#\s]+)/g).map((link) => join(dirname(document), link));
  const files = all(
    text,
    /`((?:workflows|activities|workers|judge|benchmarks|world|engine|serving|recipes|client|infra|test|bench|docs)\/[\w./-]*(?:\.\w+|\/))`/g,
  );
  // The lab log tells what was; files may have gone since.
  for (const path of document.endsWith('lab-log.md') ? links : [...links, ...files])
    expect(existsSync(join(root, path)), `${path} does not exist`).toBe(true);
});

test('every variable of ours that a document names is read somewhere', () => {
  const code = ['activities', 'bench', 'client', 'engine', 'infra', 'serving', 'test', 'workers', 'workflows']
    .flatMap((folder) =>
      readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
        .filter((name) => /\.(ts|py|ya?ml)$/.test(name))
        .map((name) => textOf(join(folder, name))),
    )
    .join('\n');
  const named = documents
    .filter((document) => !document.endsWith('lab-log.md'))
    .flatMap((document) => all(textOf(document), /\b(RMR1_[A-Z0-9_]+[A-Z0-9])\b/g));
  expect([...new Set(named)].filter((name) => !code.includes(name))).toEqual([]);
});

test('the README leads to every document, and stays short', () => {
  const readme = textOf('README.md');
  const chapters = documents.filter((document) => /^docs\/[\w-]+\.md$/.test(document));
  expect(chapters.filter((document) => !readme.includes(`](${document}`))).toEqual([]);
  expect(readme.split(/\s+/).length).toBeLessThan(3000);
});
