/** The ten lines in the README that start a run from a program do what they say. */
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { projectRoot } from '../../infra/environment.js';
import { fakeActivities } from '../support/fake-activities.js';
import { startEnvironment, withWorkers } from '../support/workflow-environment.js';

let environment: TestWorkflowEnvironment;
beforeAll(async () => {
  environment = await startEnvironment();
});
afterAll(() => environment?.teardown());

function exampleOf(readme: string): string {
  const code = /```ts\n([\s\S]*?)```/.exec(readme)?.[1];
  if (!code) throw new Error('The README has no TypeScript example.');
  return code;
}

async function runNode(file: string): Promise<{ code: number | null; output: string }> {
  const child = spawn(process.execPath, [file], {
    cwd: projectRoot(),
    env: {
      ...process.env,
      TEMPORAL_ADDRESS: environment.address,
      TEMPORAL_NAMESPACE: environment.namespace ?? 'default',
    },
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve));
  return { code, output };
}

test('the example of the README starts a run, follows it and reads its result', async () => {
  expect(existsSync(join(projectRoot(), 'dist/client/index.js')), 'run `npm run build` first').toBe(true);
  // Inside the project, so that the package finds itself by its own name.
  const dir = mkdtempSync(join(projectRoot(), 'dist', 'readme-'));
  try {
    const file = join(dir, 'example.mjs');
    writeFileSync(file, exampleOf(readFileSync(join(projectRoot(), 'README.md'), 'utf8')));
    const { activities } = fakeActivities();
    const { code, output } = await withWorkers(environment, activities, 100, () => runNode(file));
    expect(output).toMatch(/0\.95 s3:\/\//);
    expect(output).toMatch(/completed/);
    expect(code).toBe(0);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
});
