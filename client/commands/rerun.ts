import { defaultPayloadConverter } from '@temporalio/common';
import type { PipelineStage, TrainRewardModelInput } from '../../workflows/inputs.js';
import { ClientError } from '../errors.js';
import type { SharedOptions } from '../options.js';
import { print } from '../output.js';
import { parseOverrides } from '../overrides.js';
import type { RewardModelClient } from '../reward-model-client.js';
import { translateTemporalError } from '../temporal-errors.js';
import { withClient } from './with-run.js';

export interface RerunOptions extends SharedOptions {
  from?: PipelineStage[];
  set?: string[];
  budget?: number;
  id?: string;
}

/**
 * Start a run again from the input it was started with, with changes. What is unchanged is found in the bucket; a
 * terminated run goes on from its last checkpoint. Only Temporal and the bucket are needed.
 */
export async function run(options: RerunOptions, runId?: string): Promise<void> {
  if (runId === undefined) throw new ClientError('Usage', 'Name the run: rmr1 rerun RUN.');
  const handle = await withClient(async (client) => {
    const before = await inputOfRun(client, runId);
    const stage = options.from?.[0];
    const input: TrainRewardModelInput = {
      ...before,
      overrides: { ...before.overrides, ...parseOverrides(options.set) },
      ...(stage ? { startFrom: { run: runId, stage } } : {}),
      ...(options.budget === undefined ? {} : { budget: { usd: options.budget } }),
    };
    return client.train(input, options.id ? { workflowId: options.id } : {});
  });
  print(options.json, { workflowId: handle.workflowId, uiUrl: handle.uiUrl }, () =>
    [`Started ${handle.workflowId}.`, handle.uiUrl, `Follow it with: rmr1 watch ${handle.workflowId}`]
      .filter(Boolean)
      .join('\n'),
  );
}

/** The input that the first event of a run's history holds. */
async function inputOfRun(client: RewardModelClient, runId: string): Promise<TrainRewardModelInput> {
  try {
    const { events } = await client.temporal.workflow.getHandle(runId).fetchHistory();
    const started = events?.[0]?.workflowExecutionStartedEventAttributes;
    if (started?.workflowType?.name !== 'trainRewardModel')
      throw new ClientError('RunNotFound', `'${runId}' is not a training run. \`rmr1 runs\` lists them.`);
    const [payload] = started.input?.payloads ?? [];
    if (!payload) return {};
    const codecs = client.temporal.options.loadedDataConverter.payloadCodecs;
    let [decoded] = [payload];
    for (const codec of codecs.toReversed()) [decoded] = (await codec.decode([decoded])) as [typeof payload];
    return defaultPayloadConverter.fromPayload<TrainRewardModelInput>(decoded);
  } catch (error) {
    throw translateTemporalError(error, { address: '', namespace: '', workflowId: runId });
  }
}
