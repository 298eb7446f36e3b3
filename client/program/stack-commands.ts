/** Commands for the servers, the oracle and the workers. */
import { collect, port, setting, stages, wholeNumber } from '../options.js';
import type { AddCommand } from '../program.js';

export function addStackCommands(add: AddCommand): void {
  add(
    'quickstart',
    'start everything and train a judge on the generated preference world',
    'rmr1 quickstart --seed 2\nrmr1 quickstart --set grpo.steps=20',
    () => import('../commands/quickstart.js'),
  )
    .option('--seed <n>', 'seed of data, weights and sampling; each seed is a run of its own', wholeNumber)
    .option('--fresh', 'put earlier local runs aside and begin with nothing')
    .option('--short', 'a few steps of every stage, to see that it works; learns nothing to speak of')
    .option('--gate <stage>', 'wait for approval after this stage (repeatable)', stages)
    .option('--set <key=value>', 'override a field of the recipe (repeatable)', setting);

  add(
    'up',
    'start Temporal, S3, the local oracle and a worker',
    'rmr1 up --detach\nrmr1 run --data pairs.jsonl',
    () => import('../commands/up.js'),
  )
    .option('--detach', 'return once everything is up; `rmr1 down` ends it')
    .option('--no-worker', 'servers and oracle only')
    .option('--no-oracle', 'servers and worker only')
    .option('--ray', 'also a Ray head for recipes with engine: ray (Python 3.11, 6 GB once)');

  add('down', 'stop what `rmr1 up` started; data stays', 'rmr1 down', () => import('../commands/down.js'));

  add(
    'doctor',
    'check this machine, the servers and the keys',
    'rmr1 doctor --json',
    () => import('../commands/doctor.js'),
  );

  add(
    'oracle',
    'run the local oracle service in the foreground',
    'rmr1 oracle --port 8900\nrmr1 oracle -- --help',
    () => import('../commands/oracle.js'),
  )
    .argument('[arguments...]', 'further arguments of the service, after --')
    .option('--port <n>', 'port to listen on; 0 takes a free one', port, 0);

  add(
    'codec-server',
    'decrypt payloads for the Temporal UI, on this machine only',
    'RMR1_PAYLOAD_KEYS_FILE=keys.txt rmr1 codec-server --port 8900 --origin http://127.0.0.1:8233',
    () => import('../commands/codec-server.js'),
  )
    .option('--port <n>', 'port to listen on; 0 takes a free one', port, 0)
    .option('--origin <url>', "origin of a UI that may ask (repeatable; default: the stack's)", collect);

  add(
    'deployment',
    'which build of the workers new runs go to (with RMR1_BUILD_ID)',
    'rmr1 deployment show\nrmr1 deployment promote 2026-11-25.1',
    () => import('../commands/deployment.js'),
  )
    .argument('[action]', 'show, promote', 'show')
    .argument('[build]', 'promote: build id that new runs go to');

  add(
    'worker',
    'run a worker in the foreground',
    'TEMPORAL_ADDRESS=temporal.example:7233 RMR1_S3_BUCKET=judges rmr1 worker training',
    () => import('../commands/worker.js'),
  ).argument('[kinds...]', 'orchestration, oracle, training; default: all');
}
