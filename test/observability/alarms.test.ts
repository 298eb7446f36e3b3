/** Alarms that do not ring, or ring all the time; by Prometheus's own tool, where it is on PATH. */
import { execFileSync, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { projectRoot } from '../../infra/environment.js';

const present = spawnSync('promtool', ['--version']).status === 0;

test('rules and scrape configuration are valid; every alarm rings when it should, and only then', (context) => {
  context.skip(!present, 'promtool is not on this machine (Debian: the package prometheus).');
  const cwd = join(projectRoot(), 'infra/observability');
  const promtool = (...args: string[]) => execFileSync('promtool', args, { cwd, encoding: 'utf8' });
  expect(promtool('check', 'config', 'prometheus.yaml')).toContain('7 rules found');
  expect(promtool('test', 'rules', 'alerts.test.yaml')).toContain('SUCCESS');
});
