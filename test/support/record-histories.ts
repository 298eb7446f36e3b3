/**
 * Histories of runs as the server keeps them, for `test/workflows/replay.test.ts`: a change of a workflow that would
 * break runs under way fails to replay them. `test/histories/README.md` says when and how to record them again.
 */
import type { WorkflowHandle } from '@temporalio/client';
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { temporalConfig } from '../../temporal.config.js';
import { fakeActivities } from './fake-activities.js';
import { SCENARIOS } from './history-scenarios.js';
import { withWorkers } from './workflow-environment.js';

/** Where the history of a workflow is kept. */
export const historyFile = (workflowId: string) => `${workflowId.replaceAll('/', '.')}.json`;

/** Run the scenarios of these names, or all of them, on `environment` and write their histories into `dir`. */
export async function recordHistories(
  environment: TestWorkflowEnvironment,
  dir: string,
  names: readonly string[],
): Promise<void> {
  await mkdir(dir, { recursive: true });
  for (const { name, workflow = 'trainRewardModel', input, children = [], activities, steer } of SCENARIOS) {
    if (names.length > 0 && !names.includes(name)) continue;
    await withWorkers(environment, activities?.() ?? fakeActivities().activities, 100, async () => {
      const run = await environment.client.workflow.start(workflow, {
        taskQueue: temporalConfig.taskQueues.orchestration,
        workflowId: name,
        args: [input],
      });
      await steer?.(run, environment.client);
      // How it ended is in the history.
      await run.result().catch(() => undefined);
      for (const workflowId of [name, ...children.map((child) => `${name}/${child}`)])
        await save(environment.client.workflow.getHandle(workflowId), join(dir, historyFile(workflowId)));
    });
  }
}

async function save(handle: WorkflowHandle, file: string): Promise<void> {
  const history = JSON.parse(historyToJSON(await handle.fetchHistory())) as unknown;
  await writeFile(file, `${JSON.stringify(anonymous(history))}\n`);
}

/** Without what tells about the machine it was recorded on: worker identities, queue names made of them, stacks. */
function anonymous(value: unknown, field = ''): unknown {
  if (Array.isArray(value)) return value.map((item) => anonymous(item, field));
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(
      Object.entries(value)
        .filter(([name]) => name !== 'stackTrace')
        .map(([name, content]) => [name, anonymous(content, name)]),
    );
  }
  if (typeof value !== 'string') return value;
  if (field === 'identity') return 'recorder';
  return value.replace(/^\d+@.*$/, 'recorder');
}
