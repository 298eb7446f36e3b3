/** Pictures of pages for the documents, taken only where `RMR1_SCREENSHOTS` asks for it: CI must not change the tree. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { projectRoot } from '../../infra/environment.js';

/** Into `docs/images` where the variable is 1, else into the folder that it names. */
export async function screenshot(page: Page, name: string): Promise<void> {
  const wanted = process.env.RMR1_SCREENSHOTS;
  if (!wanted) return;
  const images = wanted === '1' ? join(projectRoot(), 'docs', 'images') : wanted;
  mkdirSync(images, { recursive: true });
  // Stack traces tell where the project lies on this machine.
  const mask = [page.getByText(/node_modules/)];
  await page.screenshot({ path: join(images, `${name}.png`), mask, maskColor: '#eeeeee' });
}
