/** How failures reach people: one message of a command, the page of a workflow, a run that waits. */
import { WorkflowFailedError } from '@temporalio/client';
import { expect } from 'vitest';
import { rootCause } from '../../workflows/root-cause.js';
import { runCommand, type CommandEnd } from './command.js';
import type { TestMachine } from './machine.js';
import { until } from './until.js';

/** One sentence on standard error, no stack, and the exit code of its kind. */
export function expectOneMessage({ code, stderr, stdout }: CommandEnd, exit: number, message: RegExp): void {
  expect(stderr).toMatch(message);
  expect(code, stderr).toBe(exit);
  expect(stdout + stderr).not.toMatch(/^\s+at .*:\d+:\d+/m);
  expect(stderr).not.toContain('defect');
  const mentions = stderr.split('\n').filter((line) => /^(rmr1|error): /.test(line));
  expect(mentions).toHaveLength(1);
}

/** The failure on the workflow's page. */
export async function failureOf(
  machine: TestMachine,
  input: unknown,
  id: string,
): Promise<{ type: string; message: string }> {
  const handle = await machine.start('trainRewardModel', input, id);
  const error = await handle.result().then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(WorkflowFailedError);
  const { cause } = error as WorkflowFailedError;
  // The page shows the failure itself, not a wrapper around it.
  expect(cause?.message).toBe(rootCause(cause).message);
  expect(cause?.message).not.toMatch(/^\s+at /m);
  return rootCause(cause);
}

/** What the page of a run says about an activity that is tried again; the run is cancelled then. */
export async function pendingFailure(machine: TestMachine, input: unknown, id: string): Promise<string> {
  const handle = await machine.start('trainRewardModel', input, id);
  const message = await until('the failure of an activity', async () => {
    const { raw } = await handle.describe();
    return raw.pendingActivities?.find(({ lastFailure }) => lastFailure)?.lastFailure?.message ?? undefined;
  });
  await handle.cancel();
  await expect(handle.result()).rejects.toThrow();
  return message;
}

/** Wait until a run asks for a correction, and take its problem. */
export function problemOf(machine: TestMachine, workflowId: string) {
  return until(`the problem of ${workflowId}`, async () => (await machine.progress(workflowId))?.problem);
}

/** `rmr1 rerun RUN`. @returns the id of the new run. */
export async function rerun(machine: TestMachine, run: string): Promise<string> {
  const { code, stdout, stderr } = await runCommand(['rerun', run, '--json'], machine.environment());
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return (JSON.parse(stdout) as { workflowId: string }).workflowId;
}
