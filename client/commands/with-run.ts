/** Connect, use one run, disconnect. */
import type { RewardModelClient } from '../reward-model-client.js';
import type { RunHandle } from '../run-handle.js';
import type { RunState } from '../../workflows/messages.js';
import { ClientError } from '../errors.js';
import type { SharedOptions } from '../options.js';
import { print } from '../output.js';

/** Connect for the time of `use`. */
export async function withClient<T>(use: (client: RewardModelClient) => Promise<T>): Promise<T> {
  const { connect } = await import('../reward-model-client.js');
  const client = await connect();
  try {
    return await use(client);
  } finally {
    await client.close();
  }
}

/** Use the run called `id`, or the newest one where none is named. */
export function withRun<T>(
  id: string | undefined,
  use: (run: RunHandle, client: RewardModelClient) => Promise<T>,
): Promise<T> {
  return withClient(async (client) => use(client.run(id ?? (await newestRun(client))), client));
}

async function newestRun(client: RewardModelClient): Promise<string> {
  const [newest] = await client.runs({ limit: 1 });
  if (newest) return newest.workflowId;
  throw new ClientError(
    'RunNotFound',
    'There are no runs yet. Start one with `rmr1 quickstart` or `rmr1 run --data FILE`.',
  );
}

/** Send an update to a run and say in which state it is now. */
export function steer(
  options: SharedOptions,
  id: string | undefined,
  update: (run: RunHandle) => Promise<RunState>,
): Promise<void> {
  return withRun(id, async (run) => {
    const state = await update(run);
    print(options.json, { workflowId: run.workflowId, state }, () => `${run.workflowId} is ${state}.`);
  });
}
