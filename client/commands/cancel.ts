import { isClientError } from '../errors.js';
import type { SharedOptions } from '../options.js';
import { print } from '../output.js';
import { withRun } from './with-run.js';

export function run(options: SharedOptions & { wait?: boolean }, id?: string): Promise<void> {
  return withRun(id, async (handle) => {
    const { status } = await handle.status();
    const { workflowId } = handle;
    if (status !== 'RUNNING') {
      return print(
        options.json,
        { workflowId, status },
        () => `${workflowId} has ended already (${status}).`,
      );
    }
    await handle.cancel();
    if (!options.wait) {
      return print(
        options.json,
        { workflowId, status: 'CANCEL_REQUESTED' },
        () => `${workflowId} was asked to stop; it saves a last checkpoint first.`,
      );
    }
    await handle.result().catch((error: unknown) => {
      if (!isClientError(error)) throw error;
    });
    const ended = await handle.status();
    print(
      options.json,
      { workflowId, status: ended.status },
      () => `${workflowId} has ended (${ended.status}).`,
    );
  });
}
