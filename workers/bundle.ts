/** Build step: bundle the workflows once, so that workers start without bundling; and once more with what traces them. */
import { bundleWorkflowCode } from '@temporalio/worker';
import { writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { TRACED_WORKFLOWS } from './tracing.js';

const quiet = { log() {}, trace() {}, debug() {}, info() {}, warn: console.warn, error: console.error };
for (const [name, workflowInterceptorModules] of [
  ['workflow-bundle', []],
  ['traced-workflow-bundle', TRACED_WORKFLOWS],
] as const) {
  const { code } = await bundleWorkflowCode({
    workflowsPath: fileURLToPath(new URL('../workflows/index.js', import.meta.url)),
    workflowInterceptorModules: [...workflowInterceptorModules],
    logger: quiet,
  });
  await writeFile(fileURLToPath(new URL(`../${name}.js`, import.meta.url)), code);
}
