import { listenForInterrupt } from '../interrupt.js';
import { follow } from '../follow.js';
import type { SharedOptions } from '../options.js';
import { remark } from '../output.js';
import { withRun } from './with-run.js';
import { showResult } from './show-result.js';

export function run(options: SharedOptions & { wait?: boolean }, id?: string): Promise<number | void> {
  return withRun(id, async (handle) => {
    const json = options.json === true;
    if (handle.uiUrl) remark(handle.uiUrl);
    const interrupt = listenForInterrupt(() => process.exit(interrupt.exitCode()));
    try {
      const followed = await follow(handle, {
        json,
        signal: interrupt.signal,
        waitForCorrection: options.wait === true,
      });
      if (followed.end === 'completed') return await showResult(followed.result, json, handle.workflowId);
      remark(`${handle.workflowId} goes on; \`rmr1 watch ${handle.workflowId}\` shows it again.`);
      return interrupt.exitCode();
    } finally {
      interrupt.dispose();
    }
  });
}
