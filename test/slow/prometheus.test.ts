/** Prometheus itself with our rules and scrape configuration, on a real worker that trains, where it is on PATH. */
import { spawnSync } from 'node:child_process';
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { projectRoot } from '../../infra/environment.js';
import { freePort } from '../../infra/local/ports.js';
import { isRunning, spawnDetached, stopGroup, type SpawnedProcess } from '../../infra/local/process.js';
import { TestMachine } from '../support/machine.js';
import { TINY } from '../support/tiny-recipe.js';
import { until } from '../support/until.js';

const OURS = join(projectRoot(), 'infra/observability');
const present = spawnSync('prometheus', ['--version']).status === 0;
const MISSING = 'prometheus is not on this machine (Debian: the package prometheus).';

/** Long enough to be scraped while it trains. */
const SHORT = { ...TINY, 'sft.epochs': 4, 'grpo.steps': 4 };

interface Sample {
  metric: Record<string, string>;
  value: [number, string];
}

let machine: TestMachine | undefined;
let prometheus: SpawnedProcess | undefined;
let url: string;
beforeAll(async () => {
  if (!present) return;
  machine = await TestMachine.start();
  const metrics = `127.0.0.1:${await freePort()}`;
  await machine.startWorker({ RMR1_METRICS_ADDRESS: metrics });
  const dir = join(machine.home, 'prometheus');
  await mkdir(dir);
  copyFileSync(join(OURS, 'alerts.yaml'), join(dir, 'alerts.yaml'));
  const config = readFileSync(join(OURS, 'prometheus.yaml'), 'utf8');
  expect(config).toContain("'127.0.0.1:9464'");
  const here = config
    .replaceAll('127.0.0.1:9464', metrics)
    .replace('scrape_interval: 15s', 'scrape_interval: 1s\n  evaluation_interval: 1s');
  writeFileSync(join(dir, 'prometheus.yaml'), here);
  const port = await freePort();
  url = `http://127.0.0.1:${port}`;
  prometheus = await spawnDetached({
    name: 'prometheus',
    command: 'prometheus',
    args: [
      `--config.file=${join(dir, 'prometheus.yaml')}`,
      `--storage.tsdb.path=${join(dir, 'data')}`,
      `--web.listen-address=127.0.0.1:${port}`,
    ],
    env: process.env,
    logFile: join(machine.home, 'logs', 'prometheus.log'),
  });
});
afterAll(async () => {
  if (prometheus && isRunning(prometheus)) await stopGroup(prometheus);
  await machine?.stop();
});

async function ask(path: string): Promise<Record<string, unknown>> {
  const answer = (await (await fetch(url + path)).json()) as {
    status: string;
    data: Record<string, unknown>;
  };
  expect(answer, path).toMatchObject({ status: 'success' });
  return answer.data;
}

async function query(expression: string): Promise<Sample[]> {
  const { result } = await ask(`/api/v1/query?query=${encodeURIComponent(expression)}`);
  return result as Sample[];
}

test('a training worker is scraped, board and rules are evaluated, and its death is seen', async (context) => {
  context.skip(!present, MISSING);
  await until('Prometheus', () =>
    fetch(`${url}/-/ready`)
      .then((answer) => answer.ok)
      .catch(() => false),
  );
  const run = await machine!.start('trainRewardModel', { overrides: SHORT }, 'scraped');
  const seen = (expression: string) =>
    until(
      expression,
      async () => {
        const samples = await query(expression);
        return samples.length > 0 ? samples : undefined;
      },
      300,
      250,
    );
  const [step] = await seen('rmr1_stage_step{stage="sft"} > 0');
  expect(step!.metric).toMatchObject({ run: 'scraped/sft', stage: 'sft', job: 'rmr1' });
  await seen('rmr1_oracle_spend_microusd_total > 0');
  await run.result();

  const board = JSON.parse(readFileSync(join(OURS, 'board.json'), 'utf8')) as {
    panels: { title: string; targets: { expr: string }[] }[];
  };
  for (const { expr } of board.panels.flatMap(({ targets }) => targets)) {
    // Nothing is active any more, nothing failed, and only benchmarks and scalar judges tell their accuracy on the way.
    if (/rmr1_stage_active|_failed_|rmr1_accuracy/.test(expr)) await query(expr);
    else await seen(expr);
  }
  const { groups } = await ask('/api/v1/rules');
  const rules = (groups as { rules: { name: string; health: string; lastError?: string }[] }[]).flatMap(
    (group) => group.rules,
  );
  expect(rules.map(({ health }) => health)).toEqual(Array.from({ length: 7 }, () => 'ok'));

  machine!.killWorker();
  await seen('up{job="rmr1"} == 0');
  await seen('ALERTS{alertname="WorkerGone", alertstate="pending"}');
});
