/** The README's first command, as a user runs it: from nothing to a report, interrupted, resumed, and repeated. */
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import type { Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readJsonFile } from '../../infra/local/json-file.js';
import { isRunning, killGroup, type ProcessRef } from '../../infra/local/process.js';
import { groupMembers } from '../../infra/local/process-table.js';
import type { RunProgress } from '../../workflows/messages.js';
import { occupy } from '../local-stack/helpers.js';
import { startCommand, type CommandEnd, type RunningCommand } from '../support/command.js';
import { processesOf } from '../support/processes.js';
import { TINY, asSettings } from '../support/tiny-recipe.js';
import { until } from '../support/until.js';

/** Ports that the stack prefers. */
const DEFAULT_PORTS = [7233, 8233, 8333];
let listeners: Server[] = [];
const homes: string[] = [];

beforeAll(async () => {
  listeners = await Promise.all(DEFAULT_PORTS.map(occupy));
});
afterAll(async () => {
  for (const server of listeners) server.close();
  for (const home of homes) {
    for (const left of processesOf(home)) await killGroup(left).catch(() => undefined);
    await rm(home, { recursive: true, force: true });
  }
});

async function freshHome(): Promise<string> {
  const home = await mkdtemp(join(tmpdir(), 'rmr1-quickstart-'));
  homes.push(home);
  return home;
}

function quickstart(home: string, ...args: string[]): RunningCommand {
  return startCommand(['quickstart', ...args], {
    RMR1_HOME: home,
    RMR1_ARTIFACT_CACHE: '',
    // What each trainer was given is looked at afterwards.
    RMR1_KEEP_WORK: '1',
  });
}

/** Every process that the stack of `home` has noted, and the trainers, while `command` runs. */
async function gather(home: string, command: RunningCommand): Promise<(ProcessRef & { command?: string })[]> {
  const seen = new Map<string, ProcessRef & { command?: string }>();
  let ended = false;
  void command.ended.then(() => (ended = true));
  await until(
    'the end of the command',
    async () => {
      const stack = (await readJsonFile(join(home, 'stack.json'))) as
        { servers: Record<string, ProcessRef>; services: ProcessRef[] } | undefined;
      const noted = stack ? [...Object.values(stack.servers), ...stack.services] : [];
      for (const process of [...noted, ...processesOf(home)]) {
        seen.set(`${process.pid}/${process.startedAt}`, process);
      }
      return ended;
    },
    400,
    // A look at every process of the machine costs CPU that the training needs.
    250,
  );
  return [...seen.values()];
}

/** No process that was seen lives, nor anything in its group, nor anything else that works on the home. */
function expectNothingLeft(home: string, seen: ProcessRef[]): void {
  expect(seen.filter((process) => isRunning(process))).toEqual([]);
  expect(seen.flatMap(({ pid }) => groupMembers(pid))).toEqual([]);
  expect(processesOf(home)).toEqual([]);
  expect(existsSync(join(home, 'stack.json'))).toBe(false);
}

/** Addresses of other machines that a browser would fetch. */
function externalReferences(html: string): string[] {
  const fetched = /(?:src|href|action|data|poster|srcset)\s*=\s*["']?\s*(?:https?:)?\/\/[^"'\s>]*/gi;
  const styled = /(?:url\(\s*["']?|@import\s+["'])\s*(?:https?:)?\/\/[^"')\s]*/gi;
  return [...html.matchAll(fetched), ...html.matchAll(styled)].map(([match]) => match);
}

/** The step of the checkpoint that the second trainer of a stage was given. */
async function resumedAt(home: string, stage: string): Promise<number> {
  const dir = (await readdir(join(home, 'work'))).find((name) => name.startsWith(`${stage}-`));
  const state = await readFile(join(home, 'work', dir!, 'attempt-2', 'resume', 'state.json'), 'utf8');
  return (JSON.parse(state) as { step: number }).step;
}

const runIn = (end: CommandEnd) => /(?:Run|Finished before): (\S+)/.exec(end.stderr)?.[1];

describe('quickstart --short in a fresh home, with the default ports taken', () => {
  let home: string;
  let first: CommandEnd;

  test('trains, shows results and leaves nothing running', async () => {
    home = await freshHome();
    const command = quickstart(home, '--short');
    const seen = await gather(home, command);
    first = await command.ended;
    expect(first.stderr + first.stdout).not.toMatch(/^\s+at .*:\d+:\d+/m);
    expect(first.code, first.stderr).toBe(0);
    // Temporal, S3, oracle, worker; trainers besides.
    expect(seen.length).toBeGreaterThanOrEqual(5);
    expectNothingLeft(home, seen);

    const ui = /Temporal UI: http:\/\/127\.0\.0\.1:(\d+)\/namespaces\/\S+\/workflows\/\S+/.exec(first.stderr);
    expect(DEFAULT_PORTS).not.toContain(Number(ui?.[1]));
    for (const judge of ['base', 'sft', 'grpo']) expect(first.stdout.toLowerCase()).toContain(judge);
    expect(first.stdout).toMatch(/\d+(\.\d+)? ?%|\d+\.\d/);

    const report = /^Report: (.*)$/m.exec(first.stdout)?.[1];
    const html = await readFile(report!, 'utf8');
    expect(html).toMatch(/^<!doctype html>/i);
    expect(externalReferences(html)).toEqual([]);
    const json = JSON.parse(await readFile(report!.replace(/html$/, 'json'), 'utf8')) as {
      run: { id: string };
      systems: { id: string; accuracy: unknown }[];
      stages: { name: string }[];
    };
    expect(json.run.id).toBe(runIn(first));
    expect(json.systems.map(({ id }) => id)).toEqual(['base', 'sft', 'grpo']);
    expect(json.stages.map(({ name }) => name)).toEqual(
      expect.arrayContaining(['dataset', 'base', 'distill', 'sft', 'grpo', 'evaluate']),
    );
  });

  test('again: the same result at once, nothing trained', async () => {
    const command = quickstart(home, '--short');
    const seen = await gather(home, command);
    const again = await command.ended;
    expect(again.code, again.stderr).toBe(0);
    expect(again.stderr).toContain(`Finished before: ${runIn(first)}`);
    const table = (text: string) => text.slice(text.lastIndexOf('\n\n', text.lastIndexOf('Report:') - 3));
    expect(again.stdout).toContain(table(first.stdout).trim());
    expect(seen.filter((process) => process.command?.includes('dist/engine/main.js'))).toEqual([]);
    expectNothingLeft(home, seen);
  });
});

describe('Ctrl-C in the middle of training', () => {
  // Enough steps that a fast machine is still in the middle when the third is seen.
  const settings = ['--json', ...asSettings({ ...TINY, 'grpo.steps': 200, 'grpo.checkpointEverySteps': 1 })];
  const progressIn = (text: string): RunProgress[] =>
    text
      .split('\n')
      .filter((line) => line.startsWith('{') && line.endsWith('}'))
      .map((line) => JSON.parse(line) as RunProgress)
      .filter(({ stages }) => Array.isArray(stages));
  const stage = (progress: RunProgress | undefined, name: string) =>
    progress?.stages.find((candidate) => candidate.name === name);

  test('leaves nothing running; the same command resumes the same run where it stood', async () => {
    const home = await freshHome();
    const command = quickstart(home, ...settings);
    const gathered = gather(home, command);
    await until('the third step of grpo', () => {
      if (command.child.exitCode !== null) throw new Error(`It ended early: ${command.said.stderr}`);
      return (stage(progressIn(command.said.stdout).at(-1), 'grpo')?.figures?.step ?? 0) >= 3;
    });
    command.child.kill('SIGINT');
    const seen = await gathered;
    const interrupted = await command.ended;
    expect(interrupted.code, interrupted.stderr).toBe(130);
    expectNothingLeft(home, seen);

    const second = quickstart(home, ...settings);
    expectNothingLeft(home, await gather(home, second));
    const resumed = await second.ended;
    expect(resumed.code, resumed.stderr).toBe(0);
    expect(resumed.stderr).toContain(`Run: ${runIn(interrupted)}`);

    const before = progressIn(interrupted.stdout).at(-1);
    const after = progressIn(resumed.stdout);
    for (const name of ['dataset', 'base', 'distill', 'sft']) {
      // The same start, duration and artefacts: found in the history, not done again.
      expect(stage(after.at(-1), name)).toEqual(stage(before, name));
      expect(stage(after[0], name)?.state).toBe('done');
    }
    expect(after.at(-1)?.state).toBe('completed');
    expect(await resumedAt(home, 'grpo')).toBeGreaterThanOrEqual(stage(before, 'grpo')!.figures!.step);
  });
});
