/** When workflows ask at a server on the cluster, and that it is released however the asking ends. */
import { ApplicationFailure } from '@temporalio/activity';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { temporalConfig } from '../../temporal.config.js';
import { pauseUpdate, resumeUpdate, correctUpdate, progressQuery } from '../../workflows/messages.js';
import { fakeActivities, fakeRef, untilStopped } from '../support/fake-activities.js';
import { until } from '../support/until.js';
import { startEnvironment, withWorkers } from '../support/workflow-environment.js';

let environment: TestWorkflowEnvironment;
beforeAll(async () => {
  environment = await startEnvironment();
});
afterAll(() => environment?.teardown());

const ON_RAY = { engine: 'ray', 'grpo.objective': 'grpo' };
const ON_GPUS = { ...ON_RAY, 'ray.gpusPerNode': 2 };
const ARTIFACTS = { pairs: 'pairs', base: 'base', sft: 'sft', grpo: 'grpo' };
const artifacts = Object.fromEntries(
  Object.entries(ARTIFACTS).map(([name, of]) => [name, fakeRef(of, 'model')]),
);
const released = (stage: string, model: string) => `release:${stage}:${model.padEnd(32, '.')}`;

function start(workflow: 'evaluate' | 'distill', input: object) {
  return environment.client.workflow.start(workflow, {
    taskQueue: temporalConfig.taskQueues.orchestration,
    workflowId: `${workflow}-${randomUUID()}`,
    args: [input],
  });
}

/** Fakes that remember which questions went to a server. */
function watched() {
  const fakes = fakeActivities();
  const served: unknown[] = [];
  const { judgeShard, sampleStudent } = fakes.activities;
  fakes.activities.judgeShard = (input) => {
    served.push(input.served);
    return judgeShard(input);
  };
  fakes.activities.sampleStudent = (input) => {
    served.push(input.served);
    return sampleStudent(input);
  };
  const asked = () =>
    fakes.calls.filter((name) => /^(judge:|release|sample|judgeWith|judgeItems)/.test(name));
  return { ...fakes, served, asked };
}

describe.each([
  ['cached', 100],
  ['replayed at every task', 0],
])('a stage, %s', (_mode, cache) => {
  test('on GPUs has a server for each model, which ends before the next one begins', async () => {
    const { activities, served, asked } = watched();
    let identity: unknown;
    activities.findEvaluation = async (input) => void (identity = input.served);
    await withWorkers(environment, activities, cache, async () => {
      await (await start('evaluate', { overrides: ON_GPUS, artifacts })).result();
    });
    expect(asked()).toEqual(
      ['base', 'sft', 'grpo'].flatMap((name) => [`judge:${name}`, released('evaluate', name)]),
    );
    expect(served).toEqual([true, true, true]);
    expect(identity).toBe(true);
  });

  test('on CPUs of a cluster, or on none, is judged by the embedded engine', async () => {
    const { activities, served, asked } = watched();
    await withWorkers(environment, activities, cache, async () => {
      await (await start('evaluate', { overrides: ON_RAY, artifacts })).result();
      await (await start('evaluate', { artifacts })).result();
    });
    expect(asked().filter((name) => name.startsWith('release'))).toEqual([]);
    expect(new Set(served)).toEqual(new Set([undefined]));
  });

  test('samples its student at a server before any oracle is asked', async () => {
    const { activities, served, asked } = watched();
    const overrides = { ...ON_GPUS, 'distill.pairs': 600, 'distill.studentSamples': 4 };
    await withWorkers(environment, activities, cache, async () => {
      const input = {
        overrides,
        artifacts: { pairs: fakeRef('pairs'), student: fakeRef('champion', 'model') },
      };
      await (await start('distill', input)).result();
    });
    const names = asked();
    const end = names.indexOf(released('distill', 'champion'));
    expect(names.slice(0, end)).toEqual(['sampleStudent', 'sampleStudent', 'sampleStudent']);
    expect(new Set(names.slice(end + 1))).toEqual(new Set(['judgeWithOracle']));
    expect(served).toEqual([true, true, true]);
  });
});

describe('a server is released', () => {
  test('when judging fails, and comes up again after the correction', async () => {
    const { activities, asked } = watched();
    const plain = activities.judgeShard;
    let failed = false;
    activities.judgeShard = async (input) => {
      if (failed) return plain(input);
      failed = true;
      throw ApplicationFailure.nonRetryable('it does not come up', 'JudgeServerFailed');
    };
    await withWorkers(environment, activities, 100, async () => {
      const handle = await start('evaluate', {
        overrides: { ...ON_GPUS, 'evaluate.stages': ['grpo'] },
        artifacts,
      });
      await until('the problem', async () => (await handle.query(progressQuery)).problem);
      expect(asked()).toEqual([released('evaluate', 'grpo')]);
      await handle.executeUpdate(correctUpdate, { args: [{}] });
      await handle.result();
    });
    expect(asked()).toEqual([released('evaluate', 'grpo'), 'judge:grpo', released('evaluate', 'grpo')]);
  });

  test.each(['paused', 'cancelled'])('when the stage is %s', async (how) => {
    const { activities, asked } = watched();
    const plain = activities.judgeShard;
    let began = false;
    let held = true;
    activities.judgeShard = async (input) => {
      if (!held) return plain(input);
      began = true;
      const stopped = await untilStopped(3);
      held = false;
      return stopped;
    };
    await withWorkers(environment, activities, 100, async () => {
      const handle = await start('evaluate', {
        overrides: { ...ON_GPUS, 'evaluate.stages': ['grpo'] },
        artifacts,
      });
      await until('a shard at work', () => began);
      if (how === 'cancelled') await handle.cancel();
      else await handle.executeUpdate(pauseUpdate, { args: [{}] });
      await until('the release', () => asked().includes(released('evaluate', 'grpo')));
      if (how === 'cancelled') {
        await expect(handle.result()).rejects.toThrow();
        return;
      }
      await handle.executeUpdate(resumeUpdate);
      await handle.result();
    });
    const ending = how === 'paused' ? ['judge:grpo', released('evaluate', 'grpo')] : [];
    expect(asked()).toEqual([released('evaluate', 'grpo'), ...ending]);
  });

  test('that cannot be told does not cost the judgements: its lease ends it', async () => {
    const { activities } = watched();
    activities.releaseServer = async () => {
      throw ApplicationFailure.nonRetryable('no store', 'StorageCredentials');
    };
    await withWorkers(environment, activities, 100, async () => {
      const handle = await start('evaluate', {
        overrides: { ...ON_GPUS, 'evaluate.stages': ['grpo'] },
        artifacts,
      });
      expect(await handle.result()).toMatchObject({ stage: 'evaluate' });
    });
  });

  test('after the last shard of a benchmark, and no sooner', async () => {
    const { activities, asked } = watched();
    const judge = { kind: 'vllm', model: fakeRef('judge', 'model'), gpus: 2 };
    await withWorkers(environment, activities, 100, async () => {
      await (await start('evaluate', { benchmark: 'rewardbench', data: ['items.jsonl'], judge })).result();
    });
    expect(asked()).toEqual([
      ...['judgeItems:0-2000', 'judgeItems:2000-4000', 'judgeItems:4000-5000'],
      released('evaluate', 'judge'),
    ]);
  });
});
