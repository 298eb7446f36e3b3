/**
 * What Python writes again because it cannot import it: exit codes, events and their figures, places of records, formats,
 * error types. Read from the Python itself, so that neither side changes alone.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, test } from 'vitest';
import { LogTail } from '../../activities/ray/log-tail.js';
import { serverRecords } from '../../activities/ray/serving-spec.js';
import { rayRecords } from '../../activities/ray/training-spec.js';
import { EXIT } from '../../engine/job.js';
import { projectRoot } from '../../infra/environment.js';

const PACKAGE = join(projectRoot(), 'infra/ray/rmr1_ray');
const sources = Object.fromEntries(
  readdirSync(PACKAGE)
    .filter((name) => name.endsWith('.py'))
    .map((name) => [name, readFileSync(join(PACKAGE, name), 'utf8')]),
);
const python = Object.values(sources).join('\n');
const typescript = (path: string) => readFileSync(join(projectRoot(), path), 'utf8');
const captured = (text: string, pattern: RegExp) => [
  ...new Set([...text.matchAll(pattern)].map((match) => match.slice(1).find((part) => part !== undefined)!)),
];

it('jobs end by one exit table', () => {
  const codes = [...sources['errors.py']!.matchAll(/^EXIT_(\w+) = (\d+)$/gm)].map(([, name, code]) => [
    name!.toLowerCase().replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase()),
    Number(code),
  ]);
  expect(Object.fromEntries(codes)).toEqual(EXIT);
});

describe('events', () => {
  const prefix = /^PREFIX = "(.*)"$/m.exec(sources['events.py']!)![1]!;
  const understood = (event: object) =>
    new LogTail().take(`${prefix}${JSON.stringify(event)}\n`).length === 1;

  it.each([
    { type: 'started', totalSteps: 2, resumedAt: 0, parameters: 7 },
    { type: 'stored', step: 1, held: 0.1, seconds: 0.2, waited: 0 },
    { type: 'alive', doing: 'merging' },
    { type: 'failed', error: { type: 'Failed', message: 'm' } },
  ])('$type is told with the fields that the worker knows', ({ type, ...fields }) => {
    expect(understood({ type, ...fields })).toBe(true);
    const calls = captured(python, new RegExp(`emit\\((?:"${type}"|${type.toUpperCase()}), (.*)\\)$`, 'gm'));
    expect(calls.length).toBeGreaterThan(0);
    for (const call of calls) {
      // `_times` gives those of an upload.
      const told = call.replace('**self._times(began)', 'seconds=1, waited=1');
      expect(captured(told, /(?:^|, )(\w+)=/g).sort()).toEqual(Object.keys(fields).sort());
    }
  });

  it('no other is told', () => {
    expect(
      captured(python, /\bemit\(\s*(?:"(\w+)"|FAILED)/g)
        .filter(Boolean)
        .sort(),
    ).toEqual(['alive', 'failed', 'progress', 'started', 'stored']);
  });

  // Dictionaries that become a step's metrics: whole ones, and the part that each trainer adds to those of `run.py`.
  const COMMON = captured(/metrics = \{([^}]*)\}/.exec(sources['run.py']!)![1]!, /"(\w+)":/g);
  test.each([
    ...['sft.py', 'grpo.py', 'reward_model.py'].map((name) => {
      const body = /def figures\([\s\S]*?return \{([^}]*)\}/.exec(sources[name]!)![1]!;
      return [name, [...COMMON, ...captured(body, /"(\w+)": /g)]] as const;
    }),
    [
      'verl_steps.py',
      captured(/metrics = \{([\s\S]*?)\n {8}\}/.exec(sources['verl_steps.py']!)![1]!, /^ *"(\w+)":/gm),
    ] as const,
  ])('figures of %s are those of the embedded engine', (_name, names) => {
    expect(names.length).toBeGreaterThan(5);
    const metrics = Object.fromEntries(names.map((name) => [name, 1]));
    expect(understood({ type: 'progress', total: 2, metrics, tokensPerSecond: 3 }), names.join(' ')).toBe(
      true,
    );
  });
});

it('as many sample rollouts are recorded', () => {
  const number = /^(?:const )?ROLLOUTS_RECORDED = (\d+)/m;
  expect(number.exec(python)![1]).toBe(number.exec(typescript('engine/trainer/grpo.ts'))![1]);
});

describe('records', () => {
  /** A template of Python with its fields filled in, `name` by what is given. */
  const filled = (template: string, name = '') =>
    template
      .replace(/\{[^{}]*(stageKey|stage_key|serverKey)[^{}]*\}/g, KEY)
      .replace(/\{[^{}]*attempt[^{}]*\}/g, '3')
      .replace(/\{step:08d\}/g, '00000012')
      .replace(/\{name\}/g, name);
  const KEY = 'ab'.repeat(32);

  it('of a stage lie where the worker looks', () => {
    const written = rayRecords(KEY);
    const template = /def record\(.*\n.*return f"(.*)"$/m.exec(sources['run.py']!)![1]!;
    expect(filled(template, 'stop')).toBe(written.stop(3));
    expect(filled(template, 'result')).toBe(written.result(3));
    expect(captured(python, /\.record\("(\w+)"\)/g).sort()).toEqual(['result', 'stop']);
    const root = filled(/root = f"(.*)"$/m.exec(sources['merge.py']!)![1]!);
    const merged = captured(sources['merge.py']!, /_json\(f"\{root\}\/(.*)"[,)]/g).map(
      (name) => `${root}/${filled(name)}`,
    );
    expect(merged.sort()).toEqual([written.job, written.spec(3), written.merged(12)].sort());
  });

  it('of a server lie where its holders look', () => {
    const root = filled(/self\.root = f"(.*)"$/m.exec(sources['serve.py']!)![1]!);
    const names = captured(`${sources['serve.py']}${sources['hold.py']}`, /\{self\._?root\}\/(\w+\.json)/g);
    const written = serverRecords(KEY);
    expect(names.map((name) => `${root}/${name}`).sort()).toEqual(
      [written.address(3), written.hold(3), written.stop(3)].sort(),
    );
  });
});

it('formats are those that the worker reads', () => {
  const known = ['artifacts/checkpoints', 'artifacts/directories', 'ray/training-spec']
    .map((name) => typescript(`activities/${name}.ts`))
    .join('\n');
  const formats = captured(python, /"(rmr1-[a-z-]+\/\d+)"/g);
  expect(formats.length).toBeGreaterThan(3);
  for (const format of formats) expect(known).toContain(`'${format}'`);
});

it('errors that the worker acts upon by their type are raised by that type', () => {
  const acted = captured(
    ['follow-job', 'judge-server'].map((name) => typescript(`activities/ray/${name}.ts`)).join('\n'),
    /failure\??\.type === '(\w+)'/g,
  );
  expect(acted.length).toBeGreaterThan(2);
  const raised = captured(python, /JobError\(\s*"(\w+)"/g);
  for (const type of acted) expect(raised).toContain(type);
});
