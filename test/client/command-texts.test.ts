import { describe, expect, it } from 'vitest';
import { opinionText, typedPair } from '../../client/commands/judge.js';
import { lineageText } from '../../client/commands/lineage.js';
import { inputOf } from '../../client/commands/run.js';
import { table } from '../../client/commands/runs.js';
import { isStageResult, stageText } from '../../client/stage-result.js';
import { checksText } from '../../client/commands/doctor.js';
import { listenForInterrupt } from '../../client/interrupt.js';
import type { ArtifactRef } from '../../activities/artifacts/ref.js';

describe('judge', () => {
  const judged = { model: 'm', prompt: ['Hi', 'Hello!', 'And?'], a: 'x', b: 'y' };

  it('reads further turns as assistant and user in turn', () => {
    const { pair, answerA, answerB } = typedPair(judged);
    expect(pair.conversation.map(({ role }) => role)).toEqual(['user', 'assistant', 'user']);
    expect([answerA, answerB]).toEqual(['x', 'y']);
  });

  it('refuses a conversation that ends with the assistant', () => {
    expect(() => typedPair({ ...judged, prompt: ['Hi', 'Hello!'] })).toThrow(/end with the user/);
  });

  it('does not call a contradiction or a cut text a verdict', () => {
    const opinion = { text: '[[A]] [[B]]', tokens: 9, finished: true };
    expect(opinionText({ ...opinion, verdict: 'both' })).toContain('names both replies');
    expect(opinionText({ ...opinion, verdict: 'none', finished: false })).toContain('token limit');
  });
});

describe('run', () => {
  it('turns options into the input of the workflow and leaves out what was not given', () => {
    expect(inputOf({ recipe: 'scratch' })).toEqual({
      recipe: 'scratch',
      oracle: {},
      overrides: {},
      startedBy: expect.any(String) as string,
    });
    expect(
      inputOf({
        recipe: 'scratch',
        oracle: 'openai',
        oracleUrl: 'http://127.0.0.1:1/v1',
        oracleModel: 'judge',
        budget: 5,
        seed: 0,
        gate: ['sft', 'grpo'],
        set: ['grpo.steps=3'],
      }),
    ).toMatchObject({
      oracle: { provider: 'openai', baseUrl: 'http://127.0.0.1:1/v1', model: 'judge' },
      budget: { usd: 5 },
      seed: 0,
      gates: ['sft', 'grpo'],
      overrides: { 'grpo.steps': 3 },
    });
  });
});

describe('runs', () => {
  const startedAt = new Date('2026-05-01T10:00:00Z');

  it('believes the server where a run could not say its own end', () => {
    const text = table(
      [
        { workflowId: 'a', status: 'RUNNING', state: 'paused', stage: 'sft', costUsd: 0.25, startedAt },
        { workflowId: 'b', status: 'TERMINATED', state: 'running', startedAt, closedAt: startedAt },
      ],
      undefined,
      startedAt.getTime() + 90_000,
    );
    expect(text).toMatch(/^a\s+paused\s+sft\s+\$0\.25\s+2026-05-01 10:00\s+1m 30s$/m);
    expect(text).toMatch(/^b\s+terminated\s/m);
  });

  it('says how to start one where there is none', () => {
    expect(table([], undefined, 0)).toContain('rmr1 quickstart');
    expect(table([], 'paused', 0)).toBe('No run is paused.');
  });
});

describe('lineage', () => {
  it('names the stage that made an input', () => {
    const ref = (digit: string): ArtifactRef => ({
      uri: `s3://b/${digit}`,
      sha256: digit.repeat(64),
      bytes: 2048,
      kind: 'model',
    });
    const text = lineageText({
      workflowId: 'run',
      stages: [
        { stage: 'base', key: 'k'.repeat(64), outputs: { model: ref('a') }, parents: { data: ref('f') } },
        { stage: 'sft', key: 'l'.repeat(64), outputs: { model: ref('b') }, parents: { model: ref('a') } },
      ],
    });
    expect(text).toContain('← model  base.model');
    expect(text).toContain('← data  model ffffffffffff 2.0 KiB');
    expect(text.match(/└─/g)).toHaveLength(1);
  });
});

describe('doctor', () => {
  it('says below what failed what to do', () => {
    const text = checksText([
      { name: 'node', ok: true, detail: 'Node 20', fix: '' },
      { name: 's3', ok: false, detail: 'no store', fix: 'Run "rmr1 up".' },
    ]);
    expect(text).toBe('✓ node  Node 20\n✗ s3    no store\n        → Run "rmr1 up".');
  });
});

describe('Ctrl-C', () => {
  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const)('once asks for an orderly end, twice for an immediate one (%s)', (signal, code) => {
    let killed = 0;
    const interrupt = listenForInterrupt(() => (killed += 1));
    try {
      expect(interrupt.exitCode()).toBeUndefined();
      process.emit(signal);
      expect(interrupt.signal.aborted).toBe(true);
      expect([interrupt.exitCode(), killed]).toEqual([code, 0]);
      process.emit('SIGTERM');
      expect([interrupt.exitCode(), killed]).toEqual([code, 1]);
    } finally {
      interrupt.dispose();
    }
  });
});

it('a stage that ran alone says what it made, and is not taken for a run', () => {
  const outcome = {
    stage: 'reward' as const,
    key: 'k',
    reused: false,
    outputs: {
      model: { uri: 's3://bucket/objects/ab', sha256: 'a'.repeat(64), bytes: 1, kind: 'model' as const },
    },
    parents: {},
    metrics: { steps: 80, accuracy: 0.91234567 },
    cost: { usd: 0, inputTokens: 0, outputTokens: 0, seconds: 1 },
  };
  expect(isStageResult(outcome)).toBe(true);
  expect(isStageResult({ workflowId: 'x', state: 'completed', metrics: {} })).toBe(false);
  expect(stageText(outcome)).toBe(
    'reward: done (steps 80 · accuracy 0.9123)\nmodel     s3://bucket/objects/ab',
  );
});
