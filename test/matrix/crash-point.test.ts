/** Crash points hold exactly one process at exactly the planned moment, and nothing at all outside tests. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { CrashPlan } from '../../engine/crash-point.js';
import { until } from '../support/until.js';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'rmr1-crash-'));
});
afterEach(() => {
  vi.unstubAllEnvs();
  vi.resetModules();
  rmSync(dir, { recursive: true, force: true });
});

async function load(directory: string | undefined) {
  vi.resetModules();
  vi.stubEnv('RMR1_CRASH_POINTS', directory);
  return (await import('../../engine/crash-point.js')).crashPoint;
}

const plan = (change: Partial<CrashPlan>) =>
  writeFileSync(
    join(dir, 'plan.json'),
    JSON.stringify({ id: 'p', point: '^upload$', nth: 2, ...change } satisfies CrashPlan),
  );

test('without the variable, a plan is not even read', async () => {
  plan({ nth: 1 });
  const crashPoint = await load(undefined);
  await crashPoint('upload');
  expect(existsSync(join(dir, 'p.reached'))).toBe(false);
});

test('holds at the planned match until released, and never again', async () => {
  plan({});
  const crashPoint = await load(dir);
  await crashPoint('upload');
  await crashPoint('uploads');
  let passed = false;
  const held = crashPoint('upload').then(() => (passed = true));
  await until('the moment', () => existsSync(join(dir, 'p.reached')));
  expect(JSON.parse(readFileSync(join(dir, 'p.reached'), 'utf8'))).toMatchObject({ name: 'upload' });
  expect(passed).toBe(false);
  writeFileSync(join(dir, 'p.released'), '');
  await held;
  await crashPoint('upload');
});

test('counts only what comes after the other point', async () => {
  plan({ after: '^stored$', nth: 1 });
  const crashPoint = await load(dir);
  await crashPoint('upload');
  await crashPoint('stored');
  const held = crashPoint('upload');
  await until('the moment', () => existsSync(join(dir, 'p.reached')));
  writeFileSync(join(dir, 'p.released'), '');
  await held;
});

test('a second process passes by what the first one reached', async () => {
  plan({ nth: 1 });
  writeFileSync(join(dir, 'p.reached'), '{}');
  const crashPoint = await load(dir);
  await crashPoint('upload');
});
