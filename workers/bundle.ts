/** Build step: bundle the workflows once, so that workers start without bundling. */
import { bundleWorkflowCode } from '@temporalio/worker';
import { writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

const quiet = { log() {}, trace() {}, debug() {}, info() {}, warn: console.warn, error: console.error };
const { code } = await bundleWorkflowCode({
  workflowsPath: fileURLToPath(new URL('../workflows/index.js', import.meta.url)),
  logger: quiet,
});
await writeFile(fileURLToPath(new URL('../workflow-bundle.js', import.meta.url)), code);
