/** Build step: bundle the workflows once, so that workers start without bundling. */
import { writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { bundleWorkflows } from './bundle-workflows.js';

const { code } = await bundleWorkflows();
await writeFile(fileURLToPath(new URL('../workflow-bundle.js', import.meta.url)), code);
