/**
 * A retraining every day for ninety days, in minutes: on a server that skips time, with the real registry on a store
 * that fails, trainers that are lost, retrainings started twice and people that move the champion meanwhile.
 */
import { ApplicationFailure } from '@temporalio/common';
import proto from '@temporalio/proto';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import { DefaultLogger, Runtime, Worker } from '@temporalio/worker';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import type { ArtifactRef } from '../../activities/artifacts/ref.js';
import type { ArtifactStore } from '../../activities/artifacts/store.js';
import { promote, readChampion } from '../../activities/registry/champion.js';
import { registryActivities } from '../../activities/registry/index.js';
import { resolveBinary } from '../../infra/local/binaries.js';
import { loadRecipe } from '../../recipes/load.js';
import { temporalConfig } from '../../temporal.config.js';
import type { TrainRewardModelInput } from '../../workflows/inputs.js';
import type { RunResult } from '../../workflows/messages.js';
import type { RetrainReport } from '../../workflows/retrain-messages.js';
import type { retrain } from '../../workflows/retrain.js';
import { MemoryS3, type RequestFate } from '../fault-programs/memory-s3.js';
import { seeded } from '../matrix/covering.js';
import { fakeActivities, fakeRef } from '../support/fake-activities.js';
import { comparison } from '../support/fake-registry.js';
import { bundleOf } from '../support/workflow-environment.js';

const DAYS = 90;
const DAY_MS = 86_400_000;
const ALIAS = 'champion';
const WATCH = 'datasets/helpful/';
const SMALL = { 'distill.pairs': 64, 'evaluate.stages': ['grpo'] };

vi.setConfig({ testTimeout: 600_000, hookTimeout: 120_000 });

let environment: TestWorkflowEnvironment;
beforeAll(async () => {
  const { path } = await resolveBinary('temporal-test-server');
  Runtime.install({ logger: new DefaultLogger('ERROR') });
  environment = await TestWorkflowEnvironment.createTimeSkipping({
    server: { executable: { type: 'existing-path', path } },
  });
  const { IndexedValueType } = proto.temporal.api.enums.v1;
  const kinds = {
    KEYWORD: IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD,
    DOUBLE: IndexedValueType.INDEXED_VALUE_TYPE_DOUBLE,
    INT: IndexedValueType.INDEXED_VALUE_TYPE_INT,
  };
  await environment.connection.operatorService.addSearchAttributes({
    namespace: 'default',
    searchAttributes: Object.fromEntries(
      Object.entries(temporalConfig.searchAttributes).map(([name, type]) => [name, kinds[type]]),
    ),
  });
});
afterAll(() => environment?.teardown());

class Soak {
  private readonly random: () => number;
  private readonly s3 = new MemoryS3();
  /** As an onlooker has it, who is never disturbed. */
  readonly store: ArtifactStore;
  private readonly workers: { stop: () => Promise<void> }[] = [];
  /** Moves of the alias that were acknowledged to whoever made them, by version. */
  readonly moves = new Map<number, string>();
  /** Faults that struck. */
  faults = 0;
  private recipe: ArtifactRef | undefined;
  private trainersToLose = 0;
  private storeFaults = 0;
  private rival: string | undefined;

  constructor(seed: number) {
    this.random = seeded(seed);
    this.store = this.s3.store(() => Promise.resolve({ fate: 'works' as const }));
  }

  chance(share: number): boolean {
    return this.random() < share;
  }

  async setUp(): Promise<void> {
    this.recipe = await this.store.putBytes('recipe', JSON.stringify(loadRecipe('quickstart', SMALL)));
    await this.startWorkers();
  }

  /** One file more below the watched prefix. */
  async deliver(day: number): Promise<void> {
    const lines = Math.floor(this.random() * 150);
    await this.store.putSegment(
      `${WATCH}${String(day).padStart(3, '0')}.jsonl`,
      Buffer.from('{}\n'.repeat(lines)),
    );
  }

  async day(day: number): Promise<RetrainReport[]> {
    this.storeFaults = Math.floor(this.random() * 4);
    this.trainersToLose = this.chance(0.2) ? 2 : 0;
    this.rival = this.chance(0.15) ? `rival-${day}` : undefined;
    const nights = this.chance(0.15) ? [`night-${day}`, `twin-${day}`] : [`night-${day}`];
    this.faults += nights.length - 1;
    const reports: RetrainReport[] = [];
    // One after the other: this server loses count of its clock where two results are waited for at once.
    for (const workflowId of nights) reports.push(await this.retrain(workflowId));
    for (const { state, version, trainingRun } of reports)
      if (state === 'promoted') this.moves.set(version!, trainingRun!);
    return reports;
  }

  private retrain(workflowId: string): Promise<RetrainReport> {
    return environment.client.workflow.execute<typeof retrain>('retrain', {
      taskQueue: temporalConfig.taskQueues.orchestration,
      workflowId,
      args: [{ overrides: SMALL, watch: WATCH }],
    });
  }

  async stopWorkers(): Promise<void> {
    await Promise.all(this.workers.splice(0).map(({ stop }) => stop()));
  }

  private async startWorkers(): Promise<void> {
    const activities = this.activities();
    const { orchestration, oracle, training } = temporalConfig.taskQueues;
    for (const taskQueue of [orchestration, oracle, training]) {
      const worker = await Worker.create({
        ...{ connection: environment.nativeConnection, activities, taskQueue },
        ...(taskQueue === orchestration ? { workflowBundle: await bundleOf('./retrain-alone.ts') } : {}),
      });
      const running = worker.run();
      this.workers.push({
        stop: async () => {
          worker.shutdown();
          await running;
        },
      });
    }
  }

  /** The registry's own, on a store that fails now and then; a pipeline of fakes. */
  private activities() {
    const fate = (): RequestFate => {
      if (this.storeFaults === 0 || !this.chance(0.15)) return 'works';
      this.faults += 1;
      this.storeFaults -= 1;
      return (['fails', 'loses', 'repeats'] as const)[Math.floor(this.random() * 3)]!;
    };
    const store = this.s3.store(() => Promise.resolve({ fate: fate() }));
    const real = registryActivities(store, environment.client);
    const { activities: fakes } = fakeActivities();
    return {
      ...fakes,
      train: async (
        workflowId: string,
        { recipe = 'quickstart' }: TrainRewardModelInput,
      ): Promise<RunResult> => {
        if (this.trainersToLose-- <= 0)
          return { workflowId, recipe, state: 'completed', metrics: {}, costUsd: 0 };
        this.faults += 1;
        throw ApplicationFailure.create({ type: 'TrainerLost', message: 'The trainer was killed.' });
      },
      readChampion: typed(real.readChampion),
      findNewPairs: typed(real.findNewPairs),
      promoteCandidate: typed(real.promoteCandidate),
      adoptStages: real.adoptStages,
      describeCandidate: async ({ run, trainedOn }: Parameters<typeof real.describeCandidate>[0]) => ({
        candidate: {
          workflowId: run.workflowId,
          model: fakeRef(`model of ${run.workflowId}`, 'model'),
          recipe: this.recipe!,
          ...(trainedOn ? { trainedOn } : {}),
        },
        pairs: fakeRef('test-pairs'),
        verdicts: fakeRef('verdicts', 'verdicts'),
      }),
      compareJudges: async () => {
        await this.letRivalMove();
        return this.chance(0.6) ? comparison(10, 0.002) : comparison(1, 0.5);
      },
    };
  }

  /** Somebody promotes another judge while two are compared. */
  private async letRivalMove(): Promise<void> {
    const { rival } = this;
    if (rival === undefined) return;
    this.rival = undefined;
    this.faults += 1;
    const standing = await readChampion(this.store, ALIAS);
    const { version: _v, action: _a, at: _at, by: _by, reason: _r, ...judge } = standing.current!;
    const candidate = { ...judge, workflowId: rival, model: fakeRef(rival, 'model') };
    const { version } = await promote(this.store, ALIAS, candidate, { by: 'rival', reason: 'by hand' });
    this.moves.set(version, rival);
  }
}

/** As the workers' interceptor does: the type is what crosses the wire. */
function typed<In, Out>(run: (input: In) => Promise<Out>): (input: In) => Promise<Out> {
  return async (input) => {
    try {
      return await run(input);
    } catch (error) {
      const { type, message } = error as { type?: string; message: string };
      throw type === undefined ? error : ApplicationFailure.create({ type, message });
    }
  };
}

test('ninety nights: each one promoted or kept with a reason, no update lost, the history complete', async () => {
  const soak = new Soak(20_261_125);
  await soak.setUp();
  const began = await environment.currentTimeMs();
  const states = new Map<string, number>();
  for (let day = 1; day <= DAYS; day++) {
    await soak.deliver(day);
    const before = await readChampion(soak.store, ALIAS);
    const reports = await soak.day(day);
    const seen = before.current?.trainedOn?.files ?? {};
    let unseen = 0;
    for await (const { key, version, bytes } of soak.store.listVersions(WATCH))
      if (seen[key] !== version) unseen += bytes / 3;
    for (const { state, reason } of reports) {
      expect(['promoted', 'kept']).toContain(state);
      expect(reason).not.toBe('');
      states.set(state, (states.get(state) ?? 0) + 1);
    }
    expect(reports[0], `day ${day}: ${unseen} new pairs`).toMatchObject({ newPairs: unseen });
    expect(reports[0]!.trainingRun !== undefined, `day ${day}: ${unseen} new pairs`).toBe(unseen >= 100);
    await environment.sleep(DAY_MS);
  }
  await soak.stopWorkers();

  const { history } = await readChampion(soak.store, ALIAS);
  expect(history.map(({ version }) => version)).toEqual(history.map((_, index) => index + 1));
  expect(new Map(history.map(({ version, workflowId }) => [version, workflowId]))).toEqual(
    new Map([...soak.moves].sort(([a], [b]) => a - b)),
  );
  expect((await environment.currentTimeMs()) - began).toBeGreaterThanOrEqual(DAYS * DAY_MS);
  expect(states.get('promoted')).toBeGreaterThan(5);
  expect(states.get('kept')).toBeGreaterThan(5);
  expect(soak.faults).toBeGreaterThan(50);
});
